// One call of the EC2 Query API, and what the handlers of all resources share.
//
// Each resource has a file with its handlers and, at the end, a table of its actions; ec2.cc joins the
// tables. A handler reads call.in, changes call.cloud, and writes the elements of the answer below the root
// to call.out. It runs under the cloud's mutex; what it put into the state is committed after it, or
// forgotten if it refused.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sandbox/region/cloud.h"
#include "sandbox/region/query.h"
#include "sandbox/region/xml.h"

namespace rekindle::sandbox {

struct Ec2Call {
  Cloud& cloud;
  const Parameters& in;
  Xml out;
  std::string instances_die_of;  // a fault

  // Resources of the region belong to the one account.
  const std::string& account() const { return cloud.options().account_id; }
};

struct Ec2Action {
  const char* name;
  Outcome<> (*handle)(Ec2Call& call);
};

std::span<const Ec2Action> vpc_actions();
std::span<const Ec2Action> security_group_actions();
std::span<const Ec2Action> group_rule_actions();
std::span<const Ec2Action> network_attribute_actions();
std::span<const Ec2Action> volume_actions();
std::span<const Ec2Action> attachment_actions();
std::span<const Ec2Action> snapshot_actions();
std::span<const Ec2Action> image_actions();
std::span<const Ec2Action> run_actions();
std::span<const Ec2Action> power_actions();
std::span<const Ec2Action> instance_view_actions();
std::span<const Ec2Action> tag_actions();
std::span<const Ec2Action> place_actions();
std::span<const Ec2Action> elastic_address_actions();
std::span<const Ec2Action> instance_attribute_actions();
std::span<const Ec2Action> instance_option_actions();
std::span<const Ec2Action> instance_profile_actions();

// The values that a filter of that name looks at, for one kind of resource.
template <typename T>
using FilterTable = std::map<std::string, std::function<std::vector<std::string>(const T&)>, std::less<>>;

inline std::string text_of(bool value) {
  return value ? "true" : "false";
}

// Filters tag:KEY, tag-key and tag-value, which all resources have; false for other names.
bool is_tag_filter(std::string_view name);
bool tag_filter_matches(const Filter& filter, const Tags& tags);

template <typename T>
Outcome<bool> passes(const std::vector<Filter>& filters, const FilterTable<T>& table, const T& resource) {
  for (const Filter& filter : filters) {
    if (is_tag_filter(filter.name)) {
      if (!tag_filter_matches(filter, resource.tags)) return false;
      continue;
    }
    const auto field = table.find(filter.name);
    if (field == table.end())
      return refuse("InvalidParameterValue", "The filter '{}' is invalid", filter.name);
    const auto values = field->second(resource);
    if (std::none_of(values.begin(), values.end(),
                     [&](const std::string& value) { return filter.matches(value); }))
      return false;
  }
  return true;
}

// The resources that a Describe call asks for: by id (each must exist), by filters, by page. Writes
// nextToken.
template <typename T>
Outcome<std::vector<T>> select(Ec2Call& call, const char* id_parameter, const FilterTable<T>& table) {
  const std::vector<std::string> ids = call.in.list(id_parameter);
  std::set<std::string> wanted;
  for (const std::string& id : ids) {
    TRY(call.cloud.require<T>(id));
    wanted.insert(id);
  }
  const Page page = TRY(page_of(call.in));
  if (page.limit != 0 && !ids.empty()) {
    return refuse("InvalidParameterCombination",
                  "The parameter {} cannot be used with the parameter maxResults", id_parameter);
  }
  const std::vector<Filter> filters = filters_of(call.in);
  std::vector<T> found;
  const Table<T>& all = call.cloud.state().template all<T>();
  for (auto at = all.upper_bound(page.after); at != all.end(); ++at) {
    if ((!ids.empty() && !wanted.contains(at->first)) || call.cloud.hidden(at->second)) continue;
    const bool passed = TRY(passes(filters, table, at->second));
    if (!passed) continue;
    if (page.limit != 0 && found.size() == page.limit) {
      call.out.add("nextToken", page_token(found.back().id));
      break;
    }
    found.push_back(at->second);
  }
  return found;
}

// The ids that the same call with the same ClientToken made before; IdempotentParameterMismatch if the token
// was used with other parameters. Empty: this is the first.
Outcome<std::vector<std::string>> earlier_results(Ec2Call& call, const std::string& action);
void remember_results(Ec2Call& call, const std::string& action, std::vector<std::string> ids);

// What such a call made, also while eventual consistency hides it from others.
template <typename T>
Outcome<T> made_earlier(Ec2Call& call, const std::string& id) {
  auto found = call.cloud.state().find<T>(id);
  if (!found) return refuse(T::not_found, "The {} '{}' does not exist", T::type_name, id);
  return *std::move(found);
}

void write_volume(Xml out, const Volume& volume);
void write_reservation(Ec2Call& call, Xml out, const std::string& reservation_id,
                       const std::vector<Instance>& instances);
// DisableApiTermination, Monitoring, MetadataOptions and others of RunInstances. Of the metadata's options
// what is not given stays as it is.
Outcome<> read_options(const Parameters& in, Instance& instance);
void write_metadata_options(Xml out, const MetadataOptions& options);
// What a new instance of that type has: "unlimited"; "" for one that knows no credits.
std::string usual_credits(std::string_view instance_type);
// The ARN of the profile that a request named, be it by its name.
std::string profile_arn(Cloud& cloud, const std::string& named);
void write_state(Xml out, const char* name, const std::string& state);
// The one that an instance has of itself: a loopback address made of its id.
std::string first_public_address(const std::string& instance_id);
// InsufficientInstanceCapacity where the knobs say so.
Outcome<> check_capacity(Cloud& cloud, const std::string& type, const std::string& zone);
// The network of the subnet has this many addresses left.
std::int64_t free_addresses(Cloud& cloud, const Subnet& subnet);

}  // namespace rekindle::sandbox
