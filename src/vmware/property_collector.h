// Reads properties of objects, page by page.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vmware/vim_session.h"

namespace rekindle {

// What the server told of one object. Properties that are unset, or that the account may not see, are absent.
class ObjectProperties {
 public:
  ObjectProperties(std::shared_ptr<const XmlDocument> document, const XmlElement& object_content);

  const ManagedObject& object() const { return object_; }
  // An empty element when it is absent.
  XmlElement get(std::string_view property) const;
  std::string text(std::string_view property) const { return get(property).text(); }

 private:
  std::shared_ptr<const XmlDocument> document_;
  ManagedObject object_;
  std::map<std::string, XmlElement, std::less<>> values_;
};

// Of one object. `not_found` when it does not exist.
Result<ObjectProperties> read_properties(VimSession& session, const ManagedObject& object,
                                         const std::vector<std::string>& properties);

// Of all objects of a type ("VirtualMachine") below the root folder. Objects that vanish meanwhile are left
// out.
Result<std::vector<ObjectProperties>> read_all(VimSession& session, std::string_view type,
                                               const std::vector<std::string>& properties);

}  // namespace rekindle
