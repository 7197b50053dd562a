#include "sandbox/region/knobs.h"

#include <algorithm>
#include <map>

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr const char* rate_name = "initialization_mib_per_second";
constexpr const char* encryption_name = "encryption_by_default";
constexpr const char* capacity_name = "no_capacity";

const std::map<std::string, std::chrono::milliseconds Knobs::*>& durations() {
  static const std::map<std::string, std::chrono::milliseconds Knobs::*> names = {
      {"instance_start_ms", &Knobs::instance_start}, {"status_checks_ms", &Knobs::status_checks},
      {"instance_end_ms", &Knobs::instance_end},     {"instance_stop_grace_ms", &Knobs::instance_stop_grace},
      {"volume_ready_ms", &Knobs::volume_ready},     {"snapshot_ready_ms", &Knobs::snapshot_ready},
      {"image_ready_ms", &Knobs::image_ready},       {"agent_lost_ms", &Knobs::agent_lost},
  };
  return names;
}

Result<std::int64_t> amount(const std::string& name, const json& value) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0)
    return error(ErrorCode::invalid_argument, "{} is a whole number from 0 on", name);
  return value.get<std::int64_t>();
}

Result<std::vector<Knobs::Shortage>> shortages(const json& value) {
  std::vector<Knobs::Shortage> all;
  for (const json& one : value.is_array() ? value : json::array({value})) {
    const json type = one.is_object() ? one.value("instance_type", json("*")) : json();
    const json zone = one.is_object() ? one.value("zone", json("*")) : json();
    if (!type.is_string() || !zone.is_string()) {
      return error(ErrorCode::invalid_argument, "{} is a list of objects with instance_type and zone",
                   capacity_name);
    }
    all.push_back({type, zone});
  }
  return all;
}

Result<> turn_one(Knobs& knobs, const std::string& name, const json& value) {
  if (const auto duration = durations().find(name); duration != durations().end()) {
    knobs.*duration->second = std::chrono::milliseconds(TRY(amount(name, value)));
    return {};
  }
  if (name == rate_name) {
    knobs.initialization_mib_per_second = TRY(amount(name, value));
    return {};
  }
  if (name == encryption_name) {
    if (!value.is_boolean()) return error(ErrorCode::invalid_argument, "{} is true or false", name);
    knobs.encryption_by_default = value.get<bool>();
    return {};
  }
  if (name == capacity_name) {
    knobs.no_capacity = TRY(shortages(value));
    return {};
  }
  return error(ErrorCode::invalid_argument, "there is no knob '{}'; there are {}", name,
               to_json(Knobs()).dump());
}

}  // namespace

bool Knobs::has_capacity(const std::string& instance_type, const std::string& zone) const {
  const auto means = [](const std::string& pattern, const std::string& name) {
    return pattern == "*" || pattern == name;
  };
  return std::none_of(no_capacity.begin(), no_capacity.end(), [&](const Shortage& one) {
    return means(one.instance_type, instance_type) && means(one.zone, zone);
  });
}

json to_json(const Knobs& knobs) {
  json all = {{rate_name, knobs.initialization_mib_per_second},
              {capacity_name, json::array()},
              {encryption_name, knobs.encryption_by_default}};
  for (const auto& [name, member] : durations()) all[name] = (knobs.*member).count();
  for (const Knobs::Shortage& one : knobs.no_capacity)
    all[capacity_name].push_back({{"instance_type", one.instance_type}, {"zone", one.zone}});
  return all;
}

Result<> turn(Knobs& knobs, const json& wanted) {
  if (!wanted.is_object()) return error(ErrorCode::invalid_argument, "knobs are a JSON object");
  Knobs turned = knobs;
  for (const auto& [name, value] : wanted.items()) TRY(turn_one(turned, name, value));
  knobs = std::move(turned);
  return {};
}

}  // namespace rekindle::sandbox
