#include "sandbox/datacenter/property_filter.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "sandbox/datacenter/soap.h"
#include "sandbox/datacenter/vim_types.h"

namespace rekindle::sandbox {

namespace {

SelectionSpec parse_selection(const pugi::xml_node& node) {
  SelectionSpec selection{child_text(node, "name"),
                          child_text(node, "type"),
                          child_text(node, "path"),
                          child_text(node, "skip") == "true",
                          {}};
  for (const pugi::xml_node& inner : children(node, "selectSet"))
    selection.selections.push_back(parse_selection(inner));
  return selection;
}

// Follows selections from the start objects; every object once.
class Walk {
 public:
  Walk(const ObjectSpec& spec, const ObjectLookup& lookup) : lookup_(lookup) {
    for (const SelectionSpec& selection : spec.selections) name(selection);
    visit(spec.start, spec.skip, spec.selections);
    while (!todo_.empty()) {
      const Step step = todo_.front();
      todo_.pop_front();
      follow(step);
    }
  }

  std::vector<Reference> found;

 private:
  struct Step {
    Reference from;
    const SelectionSpec* by;
  };

  void name(const SelectionSpec& selection) {
    if (!selection.name.empty() && !selection.path.empty()) named_[selection.name] = &selection;
    for (const SelectionSpec& inner : selection.selections) name(inner);
  }

  void visit(const Reference& reference, bool skip, const std::vector<SelectionSpec>& selections) {
    if (!skip && reported_.insert(reference).second) found.push_back(reference);
    for (const SelectionSpec& selection : selections) {
      const SelectionSpec* by = &selection;
      if (selection.path.empty()) {
        const auto meant = named_.find(selection.name);
        if (meant == named_.end()) continue;
        by = meant->second;
      }
      if (followed_.insert({reference, by}).second) todo_.push_back({reference, by});
    }
  }

  void follow(const Step& step) {
    if (!is_a(step.from.type, step.by->type)) return;
    const auto object = lookup_(step.from);
    const Value* target = object ? object->find(step.by->path) : nullptr;
    if (target == nullptr) return;
    if (!target->array) {
      if (!target->text.empty())
        visit({target->reference_type, target->text}, step.by->skip, step.by->selections);
      return;
    }
    for (const Member& member : target->members) {
      visit({member.value.reference_type, member.value.text}, step.by->skip, step.by->selections);
    }
  }

  const ObjectLookup& lookup_;
  std::map<std::string, const SelectionSpec*> named_;
  std::deque<Step> todo_;
  std::set<Reference> reported_;
  std::set<std::pair<Reference, const SelectionSpec*>> followed_;
};

std::optional<Fault> read(const Reference& reference, const Value& value, const PropertySpec& spec,
                          ObjectContent& content) {
  std::vector<std::string> paths = spec.paths;
  if (spec.all) {
    paths.clear();
    for (const Member& member : value.members) paths.push_back(member.name);
  }
  for (const std::string& path : paths) {
    if (!has_property(reference.type, path)) {
      return Fault{"InvalidProperty",
                   "The property '" + path + "' does not exist.",
                   {{"name", primitive("xsd:string", path), false}}};
    }
    if (const Value* found = value.find(path)) content.properties.push_back({path, *found});
  }
  return std::nullopt;
}

std::optional<Fault> collect_from(const FilterSpec& filter, const ObjectSpec& start,
                                  const ObjectLookup& lookup, std::vector<ObjectContent>& contents) {
  if (!lookup(start.start)) return managed_object_not_found(start.start);
  for (const Reference& reference : Walk(start, lookup).found) {
    ObjectContent content{reference, {}, {}};
    bool wanted = false;
    const auto value = lookup(reference);
    if (!value) continue;  // it went away while we walked
    for (const PropertySpec& spec : filter.properties) {
      if (!is_a(reference.type, spec.type)) continue;
      wanted = true;
      if (auto fault = read(reference, *value, spec, content)) return fault;
    }
    if (wanted) contents.push_back(std::move(content));
  }
  return std::nullopt;
}

}  // namespace

FilterSpec parse_filter(const pugi::xml_node& spec) {
  FilterSpec filter;
  for (const pugi::xml_node& node : children(spec, "propSet")) {
    PropertySpec property{child_text(node, "type"), child_text(node, "all") == "true", {}};
    for (const pugi::xml_node& path : children(node, "pathSet"))
      property.paths.emplace_back(path.child_value());
    filter.properties.push_back(std::move(property));
  }
  for (const pugi::xml_node& node : children(spec, "objectSet")) {
    ObjectSpec start{reference_of(child(node, "obj")), child_text(node, "skip") == "true", {}};
    for (const pugi::xml_node& inner : children(node, "selectSet"))
      start.selections.push_back(parse_selection(inner));
    filter.objects.push_back(std::move(start));
  }
  return filter;
}

std::variant<std::vector<ObjectContent>, Fault> collect(const FilterSpec& filter,
                                                        const ObjectLookup& lookup) {
  std::vector<ObjectContent> contents;
  for (const ObjectSpec& start : filter.objects) {
    if (auto fault = collect_from(filter, start, lookup, contents)) return *std::move(fault);
  }
  return contents;
}

std::string to_xml(const ObjectContent& content) {
  std::string xml = to_xml("obj", to_value(content.reference));
  for (const PropertyValue& property : content.properties) {
    xml += "<propSet><name>" + escape_xml(property.path) + "</name>" +
           to_property_xml("val", property.value) + "</propSet>";
  }
  for (const MissingProperty& missing : content.missing) {
    xml += "<missingSet><path>" + escape_xml(missing.path) + "</path>" +
           to_xml("fault", to_localized_fault(missing.fault)) + "</missingSet>";
  }
  return xml;
}

Fault managed_object_not_found(const Reference& reference) {
  return {"ManagedObjectNotFound",
          "The object 'vim." + reference.type + ":" + reference.id +
              "' has already been deleted or has not been completely created",
          {{"obj", to_value(reference), false}}};
}

}  // namespace rekindle::sandbox
