#include "sandbox/datacenter/vim_properties.h"

#include <algorithm>
#include <charconv>

namespace rekindle::sandbox {

namespace {

constexpr auto for_ever = std::chrono::hours(24);

// Before Login only the service instance is readable; real servers say so property by property, not by a
// fault.
std::vector<ObjectContent> all_missing(const FilterSpec& filter) {
  std::vector<ObjectContent> contents;
  for (const ObjectSpec& start : filter.objects) {
    ObjectContent content{start.start, {}, {}};
    for (const PropertySpec& spec : filter.properties) {
      for (const std::string& path : spec.paths)
        content.missing.push_back({path, not_authenticated(start.start)});
    }
    contents.push_back(std::move(content));
  }
  return contents;
}

std::vector<FilterSpec> filters_of(const VimCall& call) {
  std::vector<FilterSpec> filters;
  for (const pugi::xml_node& spec : children(call.body, "specSet")) filters.push_back(parse_filter(spec));
  return filters;
}

// The next page; the rest is kept in the session under a token.
std::string next_page(VimSession& session, std::vector<std::string> objects, std::size_t limit) {
  std::string token;
  if (limit > 0 && objects.size() > limit) {
    const std::lock_guard lock(session.mutex);
    token = std::to_string(++session.last_id);
    session.pages[token] = {objects.begin() + static_cast<std::ptrdiff_t>(limit), objects.end()};
    session.pages[token].push_back(std::to_string(limit));
    objects.resize(limit);
  }
  std::string page = token.empty() ? "" : "<token>" + token + "</token>";
  for (const std::string& object : objects) page += "<objects>" + object + "</objects>";
  return page;
}

std::map<std::string, std::string> as_xml(const ObjectContent& content) {
  std::map<std::string, std::string> properties;
  for (const PropertyValue& property : content.properties) {
    properties[property.path] = to_property_xml("val", property.value);
  }
  return properties;
}

std::string change(const std::string& path, const char* operation, const std::string& value) {
  return "<changeSet><name>" + escape_xml(path) + "</name><op>" + operation + "</op>" + value +
         "</changeSet>";
}

std::string object_update(const char* kind, const Reference& reference, const std::string& changes) {
  return std::string("<objectSet><kind>") + kind + "</kind>" + to_xml("obj", to_value(reference)) + changes +
         "</objectSet>";
}

// What differs from what was reported, and takes it as reported.
std::string difference(VimFilter& filter, const std::vector<ObjectContent>& contents) {
  std::string updates;
  std::map<Reference, std::map<std::string, std::string>> now;
  for (const ObjectContent& content : contents) {
    auto properties = as_xml(content);
    const auto before = filter.reported.find(content.reference);
    const bool entered = before == filter.reported.end();
    std::string changes;
    for (const auto& [path, value] : properties) {
      const bool same = !entered && before->second.contains(path) && before->second.at(path) == value;
      if (!same) changes += change(path, "assign", value);
    }
    if (!entered) {
      for (const auto& [path, value] : before->second) {
        if (!properties.contains(path)) changes += change(path, "remove", "");
      }
    }
    if (entered || !changes.empty())
      updates += object_update(entered ? "enter" : "modify", content.reference, changes);
    now[content.reference] = std::move(properties);
  }
  for (const auto& [reference, properties] : filter.reported) {
    if (!now.contains(reference)) updates += object_update("leave", reference, "");
  }
  filter.reported = std::move(now);
  return updates;
}

std::chrono::steady_clock::time_point deadline_of(const VimCall& call) {
  const auto now = std::chrono::steady_clock::now();
  if (call.method == "CheckForUpdates") return now;
  const std::string text = child_text(child(call.body, "options"), "maxWaitSeconds");
  int seconds = 0;
  if (text.empty() || std::from_chars(text.data(), text.data() + text.size(), seconds).ec != std::errc()) {
    return now + for_ever;
  }
  return now + std::chrono::seconds(std::max(seconds, 0));
}

}  // namespace

std::variant<std::vector<ObjectContent>, Fault> VimProperties::read(const FilterSpec& filter,
                                                                    VimSession* session) const {
  return collect(filter,
                 [&](const Reference& reference) { return inventory_.object_of(reference, session); });
}

bool VimProperties::has_collector(const VimCall& call) const {
  if (call.self.id == "ha-property-collector") return true;
  const std::lock_guard lock(call.session->mutex);
  return call.session->collectors.contains(call.self.id);
}

VimAnswer VimProperties::retrieve(const VimCall& call) const {
  std::string inside;
  for (const FilterSpec& filter : filters_of(call)) {
    auto contents = call.session ? read(filter, call.session.get()) : all_missing(filter);
    if (auto* fault = std::get_if<Fault>(&contents)) return std::move(*fault);
    for (const ObjectContent& content : std::get<0>(contents))
      inside += "<returnval>" + to_xml(content) + "</returnval>";
  }
  return VimAnswer(inside);
}

VimAnswer VimProperties::retrieve_ex(const VimCall& call) const {
  std::vector<std::string> objects;
  for (const FilterSpec& filter : filters_of(call)) {
    auto contents = call.session ? read(filter, call.session.get()) : all_missing(filter);
    if (auto* fault = std::get_if<Fault>(&contents)) return std::move(*fault);
    for (const ObjectContent& content : std::get<0>(contents)) objects.push_back(to_xml(content));
  }
  if (objects.empty()) return {};
  const std::string text = child_text(child(call.body, "options"), "maxObjects");
  const std::size_t limit = text.empty() ? 0 : std::strtoul(text.c_str(), nullptr, 10);
  VimSession nobody;
  VimSession& session = call.session ? *call.session : nobody;
  return VimAnswer("<returnval>" + next_page(session, std::move(objects), call.session ? limit : 0) +
                   "</returnval>");
}

VimAnswer VimProperties::continue_retrieve(const VimCall& call) const {
  std::vector<std::string> rest;
  {
    const std::lock_guard lock(call.session->mutex);
    const auto found = call.session->pages.find(child_text(call.body, "token"));
    if (found == call.session->pages.end()) return invalid_argument("token");
    rest = std::move(found->second);
    call.session->pages.erase(found);
  }
  const std::size_t limit = std::strtoul(rest.back().c_str(), nullptr, 10);
  rest.pop_back();
  return VimAnswer("<returnval>" + next_page(*call.session, std::move(rest), limit) + "</returnval>");
}

VimAnswer VimProperties::cancel_retrieve(const VimCall& call) const {
  const std::lock_guard lock(call.session->mutex);
  if (call.session->pages.erase(child_text(call.body, "token")) == 0) return invalid_argument("token");
  return {};
}

VimAnswer VimProperties::create_collector(const VimCall& call) const {
  const std::lock_guard lock(call.session->mutex);
  VimCollector collector;
  collector.id = call.session->new_id();
  call.session->collectors[collector.id] = collector;
  return to_value({"PropertyCollector", collector.id});
}

VimAnswer VimProperties::destroy_collector(const VimCall& call) const {
  const std::lock_guard lock(call.session->mutex);
  if (call.session->collectors.erase(call.self.id) == 0) return managed_object_not_found(call.self);
  changes_.raise();
  return {};
}

VimAnswer VimProperties::create_filter(const VimCall& call) const {
  VimFilter filter;
  filter.spec = parse_filter(child(call.body, "spec"));
  auto contents = read(filter.spec, call.session.get());
  if (auto* fault = std::get_if<Fault>(&contents)) return std::move(*fault);
  const std::lock_guard lock(call.session->mutex);
  filter.id = call.session->new_id();
  call.session->collectors[call.self.id].filters[filter.id] = filter;
  return to_value({"PropertyFilter", filter.id});
}

VimAnswer VimProperties::destroy_filter(const VimCall& call) const {
  const std::lock_guard lock(call.session->mutex);
  for (auto& [id, collector] : call.session->collectors) {
    if (collector.filters.erase(call.self.id) > 0) return {};
  }
  return managed_object_not_found(call.self);
}

// The session is not locked while objects are read: views are objects of the session.
std::string VimProperties::updates_of(VimSession& session, const std::string& collector_id) const {
  std::map<std::string, FilterSpec> specs;
  {
    const std::lock_guard lock(session.mutex);
    for (const auto& [id, filter] : session.collectors[collector_id].filters) specs[id] = filter.spec;
  }
  std::string updates;
  for (const auto& [id, spec] : specs) {
    auto contents = read(spec, &session);
    // Its start is gone: everything it showed leaves.
    const auto* objects = std::get_if<0>(&contents);
    const std::lock_guard lock(session.mutex);
    auto& filters = session.collectors[collector_id].filters;
    const auto filter = filters.find(id);
    if (filter == filters.end()) continue;
    const std::string changes =
        difference(filter->second, objects != nullptr ? *objects : std::vector<ObjectContent>());
    if (!changes.empty()) {
      updates +=
          "<filterSet>" + to_xml("filter", to_value({"PropertyFilter", id})) + changes + "</filterSet>";
    }
  }
  return updates;
}

VimAnswer VimProperties::wait_for_updates(const VimCall& call) const {
  VimSession& session = *call.session;
  const std::string version = child_text(call.body, "version");
  {
    const std::lock_guard lock(session.mutex);
    VimCollector& collector = session.collectors[call.self.id];
    collector.cancelled = false;
    if (version.empty()) {
      for (auto& [id, filter] : collector.filters) filter.reported.clear();
    } else if (version != std::to_string(collector.version)) {
      return Fault{"InvalidCollectorVersion", "The version of the collector is not known.", {}};
    }
  }
  const auto deadline = deadline_of(call);
  while (true) {
    const std::uint64_t seen = changes_.count();
    const std::string updates = updates_of(session, call.self.id);
    {
      const std::lock_guard lock(session.mutex);
      VimCollector& collector = session.collectors[call.self.id];
      if (collector.cancelled) return Fault{"RequestCanceled", "The wait was canceled.", {}};
      if (!updates.empty()) {
        return VimAnswer("<returnval><version>" + std::to_string(++collector.version) + "</version>" +
                         updates + "</returnval>");
      }
    }
    if (std::chrono::steady_clock::now() >= deadline) return {};
    if (changes_.stopped()) return Fault{"RequestCanceled", "The host is shutting down.", {}};
    changes_.wait(seen, deadline);
  }
}

VimAnswer VimProperties::cancel_wait(const VimCall& call) const {
  {
    const std::lock_guard lock(call.session->mutex);
    call.session->collectors[call.self.id].cancelled = true;
  }
  changes_.raise();
  return {};
}

}  // namespace rekindle::sandbox
