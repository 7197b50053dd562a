// Tags of all kinds of resources.
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

template <typename T>
bool change_tags(Cloud& cloud, const std::string& id, const std::function<void(Tags&)>& change) {
  auto resource = cloud.state().find<T>(id);
  if (!resource || cloud.hidden(*resource)) return false;
  change(resource->tags);
  cloud.state().put(*resource);
  return true;
}

Outcome<> change_tags_of(Cloud& cloud, const std::string& id, const std::function<void(Tags&)>& change) {
  const bool known = change_tags<Vpc>(cloud, id, change) || change_tags<Subnet>(cloud, id, change) ||
                     change_tags<SecurityGroup>(cloud, id, change) ||
                     change_tags<Volume>(cloud, id, change) || change_tags<Snapshot>(cloud, id, change) ||
                     change_tags<Image>(cloud, id, change) || change_tags<Instance>(cloud, id, change) ||
                     change_tags<ElasticAddress>(cloud, id, change);
  if (known) return {};
  static const std::map<std::string, const char*, std::less<>> codes = {
      {"vpc", Vpc::not_found},    {"subnet", Subnet::not_found},          {"sg", SecurityGroup::not_found},
      {"vol", Volume::not_found}, {"snap", Snapshot::not_found},          {"ami", Image::not_found},
      {"i", Instance::not_found}, {"eipalloc", ElasticAddress::not_found}};
  const auto code = codes.find(id.substr(0, id.find('-')));
  return refuse(code == codes.end() ? "InvalidID" : code->second, "The ID '{}' is not valid", id);
}

Outcome<std::vector<std::string>> resource_ids(const Parameters& in) {
  auto ids = in.list("ResourceId");
  if (ids.empty()) return refuse("MissingParameter", "The request must contain the parameter resourceIdSet");
  return ids;
}

Outcome<> create_tags(Ec2Call& call) {
  const auto ids = TRY(resource_ids(call.in));
  const Tags tags = TRY(tag_list(call.in, "Tag"));
  if (tags.empty()) return refuse("MissingParameter", "The request must contain the parameter tagSet");
  for (const std::string& id : ids) {
    TRY(change_tags_of(call.cloud, id, [&](Tags& existing) {
      for (const auto& [key, value] : tags) existing[key] = value;
    }));
  }
  call.out.add("return", true);
  return {};
}

// A tag with a value is only deleted if it has that value; none named: all are.
Outcome<> delete_tags(Ec2Call& call) {
  const auto ids = TRY(resource_ids(call.in));
  const auto named = call.in.structures("Tag");
  for (const std::string& id : ids) {
    TRY(change_tags_of(call.cloud, id, [&](Tags& existing) {
      if (named.empty()) existing.clear();
      for (const Parameters& tag : named) {
        const auto found = existing.find(tag.text("Key"));
        if (found != existing.end() && (!tag.has("Value") || tag.text("Value") == found->second))
          existing.erase(found);
      }
    }));
  }
  call.out.add("return", true);
  return {};
}

struct TagRow {
  std::string resource_id, resource_type, key, value;
  std::string id() const { return resource_id + " " + key; }
};

template <typename T>
void collect(Cloud& cloud, std::vector<TagRow>& rows) {
  for (const auto& [id, resource] : cloud.state().all<T>()) {
    if (cloud.hidden(resource)) continue;
    for (const auto& [key, value] : resource.tags) rows.push_back({id, T::type_name, key, value});
  }
}

Outcome<bool> passes_filters(const std::vector<Filter>& filters, const TagRow& row) {
  const std::map<std::string, std::string> fields = {{"resource-id", row.resource_id},
                                                     {"resource-type", row.resource_type},
                                                     {"key", row.key},
                                                     {"value", row.value}};
  for (const Filter& filter : filters) {
    const auto field = fields.find(filter.name);
    if (field == fields.end())
      return refuse("InvalidParameterValue", "The filter '{}' is invalid", filter.name);
    if (!filter.matches(field->second)) return false;
  }
  return true;
}

Outcome<> describe_tags(Ec2Call& call) {
  std::vector<TagRow> rows;
  collect<Vpc>(call.cloud, rows);
  collect<Subnet>(call.cloud, rows);
  collect<SecurityGroup>(call.cloud, rows);
  collect<Volume>(call.cloud, rows);
  collect<Snapshot>(call.cloud, rows);
  collect<Image>(call.cloud, rows);
  collect<Instance>(call.cloud, rows);
  collect<ElasticAddress>(call.cloud, rows);
  std::sort(rows.begin(), rows.end(), [](const TagRow& a, const TagRow& b) { return a.id() < b.id(); });
  const Page page = TRY(page_of(call.in));
  const auto filters = filters_of(call.in);
  Xml set = call.out.child("tagSet");
  std::size_t written = 0;
  std::string last;
  for (const TagRow& row : rows) {
    const bool passed = TRY(passes_filters(filters, row));
    if (!passed || row.id() <= page.after) continue;
    if (page.limit != 0 && written == page.limit) {
      call.out.add("nextToken", page_token(last));
      break;
    }
    Xml item = set.item();
    item.add("resourceId", row.resource_id);
    item.add("resourceType", row.resource_type);
    item.add("key", row.key);
    item.add("value", row.value);
    last = row.id();
    ++written;
  }
  return {};
}

}  // namespace

std::span<const Ec2Action> tag_actions() {
  static constexpr Ec2Action actions[] = {
      {"CreateTags", create_tags},
      {"DeleteTags", delete_tags},
      {"DescribeTags", describe_tags},
  };
  return actions;
}

}  // namespace rekindle::sandbox
