// Writing the XML of EC2 and STS answers.
#pragma once

#include <concepts>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "net/http.h"
#include "sandbox/region/model.h"

namespace rekindle::sandbox {

// A place in an XML document to add elements to; as cheap to copy as a pointer, valid as long as the
// document.
class Xml {
 public:
  explicit Xml(pugi::xml_node node) : node_(node) {}

  Xml child(const char* name) { return Xml(node_.append_child(name)); }
  Xml item() { return child("item"); }
  void add(const char* name, std::string_view text) {
    node_.append_child(name).text().set(std::string(text).c_str());
  }
  void add(const char* name, const char* text) { add(name, std::string_view(text)); }
  void add(const char* name, std::same_as<bool> auto value) { add(name, value ? "true" : "false"); }
  void add(const char* name, std::integral auto number)
    requires(!std::same_as<decltype(number), bool>)
  {
    add(name, std::to_string(number));
  }
  // Left out when empty, as AWS does.
  void add_if(const char* name, std::string_view text) {
    if (!text.empty()) add(name, text);
  }
  void add_time(const char* name, std::int64_t milliseconds);
  // <tagSet><item><key/><value/></item></tagSet>
  void add_tags(const Tags& tags);
  void add_list(const char* name, const std::vector<std::string>& texts);

 private:
  pugi::xml_node node_;
};

std::string to_text(const pugi::xml_document& document);
HttpResponse xml_answer(int status, const pugi::xml_document& document);

}  // namespace rekindle::sandbox
