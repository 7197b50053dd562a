// The property collector's filter: which objects, reached how, and which of their properties
// (vSphere API: PropertyFilterSpec).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <pugixml.hpp>

#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

struct PropertySpec {
  std::string type;
  bool all = false;
  std::vector<std::string> paths;
};

// With only a name: stands for the one of that name.
struct SelectionSpec {
  std::string name;
  std::string type;
  std::string path;
  bool skip = false;
  std::vector<SelectionSpec> selections;
};

struct ObjectSpec {
  Reference start;
  bool skip = false;
  std::vector<SelectionSpec> selections;
};

struct FilterSpec {
  std::vector<PropertySpec> properties;
  std::vector<ObjectSpec> objects;
};

FilterSpec parse_filter(const pugi::xml_node& spec);

// An object with all that is set in it; none if it does not exist.
using ObjectLookup = std::function<std::optional<Value>(const Reference&)>;

struct PropertyValue {
  std::string path;
  Value value;
};
struct MissingProperty {
  std::string path;
  Fault fault;
};
struct ObjectContent {
  Reference reference;
  std::vector<PropertyValue> properties;
  std::vector<MissingProperty> missing;
};

// The objects in the order in which they are reached. ManagedObjectNotFound for a start that does not exist,
// InvalidProperty for a path that the type does not have.
std::variant<std::vector<ObjectContent>, Fault> collect(const FilterSpec& filter, const ObjectLookup& lookup);

std::string to_xml(const ObjectContent& content);

Fault managed_object_not_found(const Reference& reference);

}  // namespace rekindle::sandbox
