#include "guest/nic_setting.h"

#include <fnmatch.h>

#include <algorithm>

namespace rekindle {

namespace {

// Patterns are the guest's own and may be made to take forever.
constexpr std::size_t longest_glob = 128;
constexpr std::size_t most_devices = 8;

bool one_matches(const std::string& glob, const std::string& text) {
  return glob.size() <= longest_glob && text.size() <= longest_glob && std::ranges::count(glob, '*') <= 4 &&
         fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

void add(std::vector<Nic>& devices, const std::string& name) {
  const bool known = std::ranges::any_of(devices, [&](const Nic& device) { return device.name == name; });
  if (!name.empty() && !known && devices.size() < most_devices) devices.push_back({name, ""});
}

}  // namespace

bool glob_matches(const std::vector<std::string>& globs, const std::string& text) {
  if (globs.empty()) return true;
  const bool inverted = globs.front().starts_with("!");
  for (std::size_t i = 0; i < globs.size(); ++i) {
    if (one_matches(inverted && i == 0 ? globs[i].substr(1) : globs[i], text)) return !inverted;
  }
  return inverted;
}

bool applies(const NicSetting& setting, const Nic& nic) {
  if (setting.old_card_only || !glob_matches(setting.names, nic.name)) return false;
  if (nic.driver.empty()) return !setting.names.empty() && setting.drivers.empty();
  return !setting.not_a_card && glob_matches(setting.drivers, nic.driver);
}

std::vector<Nic> devices_over(const Nic& card, const std::vector<NicSetting>& settings) {
  std::vector<Nic> devices = {card};
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Nic below = devices[i];
    for (const NicSetting& setting : settings) {
      if (!setting.master.empty() && applies(setting, below)) add(devices, setting.master);
      if (!setting.ports.empty() && glob_matches(setting.ports, below.name)) add(devices, setting.device);
    }
  }
  return devices;
}

}  // namespace rekindle
