#include "sandbox/datacenter/vim_value.h"

#include <algorithm>
#include <utility>

namespace rekindle::sandbox {

namespace {

// What the elements of an array are called inside ArrayOf...: "xsd:string" -> "string".
std::string element_name(const std::string& type) {
  const auto colon = type.find(':');
  return colon == std::string::npos ? type : type.substr(colon + 1);
}

std::string array_type(const std::string& type) {
  std::string name = element_name(type);
  name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return "ArrayOf" + name;
}

std::string content(const Value& value) {
  std::string xml = escape_xml(value.text);
  for (const Member& member : value.members) xml += to_xml(member.name, member.value, member.shows_type);
  return xml;
}

std::string element(std::string_view name, const Value& value, bool typed) {
  std::string xml = "<" + std::string(name);
  if (typed) xml += " xsi:type=\"" + value.type + "\"";
  if (!value.reference_type.empty()) xml += " type=\"" + value.reference_type + "\"";
  const std::string inside = content(value);
  if (inside.empty()) return xml + "/>";
  return xml + ">" + inside + "</" + std::string(name) + ">";
}

}  // namespace

Value& Value::set(std::string name, Value value) {
  members.push_back({std::move(name), std::move(value), false});
  return *this;
}
Value& Value::set_any(std::string name, Value value) {
  members.push_back({std::move(name), std::move(value), true});
  return *this;
}
Value& Value::set(std::string name, std::string_view string) {
  return set(std::move(name), primitive("xsd:string", std::string(string)));
}
Value& Value::set(std::string name, bool value) {
  return set(std::move(name), primitive("xsd:boolean", value ? "true" : "false"));
}
Value& Value::set(std::string name, int value) {
  return set(std::move(name), primitive("xsd:int", std::to_string(value)));
}
Value& Value::set(std::string name, std::int64_t value) {
  return set(std::move(name), primitive("xsd:long", std::to_string(value)));
}
Value& Value::set(std::string name, Time value) {
  return set(std::move(name), primitive("xsd:dateTime", to_iso8601(value)));
}
Value& Value::add(Value element) {
  return set("", std::move(element));
}

const Value* Value::find(std::string_view path) const {
  const Value* at = this;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
    if (at->array) return nullptr;
    const auto found = std::find_if(at->members.begin(), at->members.end(),
                                    [&](const Member& member) { return member.name == name; });
    if (found == at->members.end()) return nullptr;
    at = &found->value;
  }
  return at;
}

Value object(std::string type) {
  Value value;
  value.type = std::move(type);
  return value;
}

Value array_of(std::string element_type) {
  Value value = object(std::move(element_type));
  value.array = true;
  return value;
}

Value to_value(const Reference& reference) {
  Value value = primitive("ManagedObjectReference", reference.id);
  value.reference_type = reference.type;
  return value;
}

Value references(std::string_view type, const std::vector<std::string>& ids) {
  Value array = array_of("ManagedObjectReference");
  for (const std::string& id : ids) array.add(to_value({std::string(type), id}));
  return array;
}

Value enumeration(std::string type, std::string_view text) {
  return primitive(std::move(type), std::string(text));
}

Value primitive(std::string type, std::string text) {
  Value value = object(std::move(type));
  value.text = std::move(text);
  return value;
}

std::string escape_xml(std::string_view text) {
  std::string xml;
  for (const char c : text) {
    switch (c) {
      case '&':
        xml += "&amp;";
        break;
      case '<':
        xml += "&lt;";
        break;
      case '>':
        xml += "&gt;";
        break;
      case '"':
        xml += "&quot;";
        break;
      default:
        xml += c;
    }
  }
  return xml;
}

std::string to_xml(std::string_view name, const Value& value, bool typed) {
  if (!value.array) return element(name, value, typed);
  std::string xml;
  for (const Member& member : value.members) {
    xml += element(name, member.value, typed || member.value.type != value.type);
  }
  return xml;
}

std::string to_property_xml(std::string_view name, const Value& value) {
  if (!value.array) return element(name, value, true);
  std::string xml = "<" + std::string(name) + " xsi:type=\"" + array_type(value.type) + "\">";
  xml += to_xml(element_name(value.type), value);
  return xml + "</" + std::string(name) + ">";
}

Value to_localized_fault(const Fault& fault) {
  Value inner = object(fault.type);
  inner.members = fault.members;
  return object("LocalizedMethodFault")
      .set_any("fault", std::move(inner))
      .set("localizedMessage", fault.message);
}

}  // namespace rekindle::sandbox
