// A reference to an object that lives at the server. Its value is opaque: never parsed, always escaped.
#pragma once

#include <compare>
#include <string>

#include "vmware/xml.h"

namespace rekindle {

struct ManagedObject {
  std::string type;   // "VirtualMachine"
  std::string value;  // "vm-57"; "9" on ESXi

  friend auto operator<=>(const ManagedObject&, const ManagedObject&) = default;
};

inline ManagedObject read_reference(const XmlElement& element) {
  return {std::string(element.reference_type()), element.text()};
}

// <name type="VirtualMachine">vm-57</name>
inline std::string xml_reference(std::string_view name, const ManagedObject& object) {
  return fmt::format(R"(<{0} type="{1}">{2}</{0}>)", name, xml_escape(object.type), xml_escape(object.value));
}

}  // namespace rekindle
