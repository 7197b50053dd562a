// What starts when a guest boots, by systemd's links or by those of the init before it.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "guest/ext4_volume.h"

namespace rekindle {

// One thread. Reads its folders when it is first asked.
class GuestServices {
 public:
  // `root` outlives this.
  explicit GuestServices(Ext4Volume& root) : root_(root) {}

  // "networking": its unit is wanted and not masked; without a unit, a script of that name is started.
  Result<bool> starts(const std::string& service);
  // Its unit is there and not masked, so that another may start it.
  Result<bool> can_start(const std::string& service);

 private:
  Result<> read();
  Result<> read_wishes(const std::string& folder);
  Result<> read_scripts(const std::string& folder);
  Result<bool> is_masked(const std::string& unit);
  Result<bool> has_unit(const std::string& unit);

  Ext4Volume& root_;
  std::optional<std::set<std::string>> wanted_;  // units
  std::set<std::string> scripts_;                // of the links S20networking: "networking"
};

// Whether a configuration file was switched off by a link to /dev/null or by leaving it empty.
Result<bool> is_switched_off(Ext4Volume& root, const std::string& path);

}  // namespace rekindle
