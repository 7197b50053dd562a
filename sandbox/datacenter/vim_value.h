// Values of vSphere's API (vim25) and how they are written in XML. Members stand in the order of the schema.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace rekindle::sandbox {

struct Member;

// One of: a primitive (text), a reference to a managed object (text and reference_type), a data object
// (members), an array (of `type` elements; members without names).
struct Value {
  std::string type;  // as in xsi:type; of an array: of its elements
  std::string text;
  std::string reference_type;
  bool array = false;
  std::vector<Member> members;

  // Adds a member; `set_any` is for one whose declared type is a base of the value's: it shows its type.
  Value& set(std::string name, Value value);
  Value& set_any(std::string name, Value value);
  Value& set(std::string name, std::string_view string);
  Value& set(std::string name, const char* string) { return set(std::move(name), std::string_view(string)); }
  Value& set(std::string name, const std::string& string) {
    return set(std::move(name), std::string_view(string));
  }
  Value& set(std::string name, bool flag);
  Value& set(std::string name, int number);
  Value& set(std::string name, std::int64_t number);
  Value& set(std::string name, Time time);
  // Adds an element to an array.
  Value& add(Value element);

  // The value at "config.hardware.device"; nullptr when it is not set.
  const Value* find(std::string_view path) const;
};

struct Member {
  std::string name;
  Value value;
  bool shows_type = false;
};

struct Reference {
  std::string type;
  std::string id;
  friend auto operator<=>(const Reference&, const Reference&) = default;
};

Value object(std::string type);
Value array_of(std::string element_type);
Value references(std::string_view type, const std::vector<std::string>& ids);
Value to_value(const Reference& reference);
Value enumeration(std::string type, std::string_view text);
Value primitive(std::string type, std::string text);

std::string escape_xml(std::string_view text);
// <name>...</name>, repeated for an array, with xsi:type where members need it (or for all, if `typed`).
std::string to_xml(std::string_view name, const Value& value, bool typed = false);
// As a property's value, of type anyType: an array becomes one element of type ArrayOf...
std::string to_property_xml(std::string_view name, const Value& value);

// An error as vSphere says it: the type of the fault and a sentence.
struct Fault {
  std::string type;
  std::string message;
  std::vector<Member> members;
};
// As in a task's error or a missing property.
Value to_localized_fault(const Fault& fault);

}  // namespace rekindle::sandbox
