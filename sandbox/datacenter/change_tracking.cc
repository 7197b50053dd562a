#include "sandbox/datacenter/change_tracking.h"

#include <charconv>

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

std::string new_uuid(Random& random) {
  const std::string hex = random.hex(16);
  std::string text;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    if (i > 0) text += i == 16 ? '-' : ' ';
    text += hex.substr(i, 2);
  }
  return text;
}

}  // namespace

void ChangeTracking::begin(Random& random) {
  uuid_ = new_uuid(random);
  epoch_ = 1;
  written_.assign(1, {});
}

std::string ChangeTracking::change_id() const {
  return active() ? fmt::format("{}/{}", uuid_, epoch_) : "";
}

void ChangeTracking::record(const Areas& written) {
  if (active()) written_.back() = united(written_.back(), written);
}

void ChangeTracking::close_epoch() {
  if (!active()) return;
  ++epoch_;
  written_.emplace_back();
}

Result<Areas> ChangeTracking::changed(const std::string& since, int until) const {
  const auto slash = since.find('/');
  int number = 0;
  const char* digits = since.data() + slash + 1;
  if (slash == std::string::npos ||
      std::from_chars(digits, since.data() + since.size(), number).ptr != since.data() + since.size()) {
    return error(ErrorCode::invalid_argument, "'{}' is not a change id", since);
  }
  if (since.substr(0, slash) != uuid_) {
    return error(ErrorCode::failed_precondition, "the change id {} is not known: tracking was started again",
                 since);
  }
  if (number < 1 || number > until || until > epoch_ + 1) {
    return error(ErrorCode::invalid_argument, "the change id {} is not from before the snapshot", since);
  }
  std::vector<Area> all;
  for (int epoch = number; epoch < until; ++epoch) {
    const Areas& written = written_[static_cast<std::size_t>(epoch - 1)];
    all.insert(all.end(), written.begin(), written.end());
  }
  return merged(std::move(all));
}

json ChangeTracking::to_json() const {
  json epochs = json::array();
  for (const Areas& written : written_) {
    json list = json::array();
    for (const Area& area : written) list.push_back({area.start, area.length});
    epochs.push_back(std::move(list));
  }
  return {{"uuid", uuid_}, {"epoch", epoch_}, {"written", std::move(epochs)}};
}

ChangeTracking ChangeTracking::from_json(const json& from) {
  ChangeTracking tracking;
  tracking.uuid_ = from.at("uuid");
  tracking.epoch_ = from.at("epoch");
  for (const json& list : from.at("written")) {
    Areas areas;
    for (const json& area : list) areas.push_back({area.at(0), area.at(1)});
    tracking.written_.push_back(std::move(areas));
  }
  return tracking;
}

}  // namespace rekindle::sandbox
