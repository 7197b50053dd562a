// What of the region's nature can be turned, at its start and while it runs: how long things take, and where
// there is no capacity.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle::sandbox {

struct Knobs {
  // How long resources stay in their passing states.
  std::chrono::milliseconds instance_start{200};  // pending
  std::chrono::milliseconds status_checks{200};   // running, and the status checks are "initializing"
  std::chrono::milliseconds instance_end{100};    // shutting-down
  // stopping: time for the guest after the power button
  std::chrono::milliseconds instance_stop_grace{20000};
  std::chrono::milliseconds volume_ready{50};
  std::chrono::milliseconds snapshot_ready{100};
  std::chrono::milliseconds image_ready{50};
  // of silence, until an instance's agent counts as lost
  std::chrono::milliseconds agent_lost{15000};

  // How fast a volume's blocks come out of its snapshot, when they are first read and in the background: for
  // volumes made from now on that name no VolumeInitializationRate. 0: all volumes have theirs at once.
  std::int64_t initialization_mib_per_second = 0;

  // As the account's setting of that name: what is made from now on is encrypted, and no child of an
  // unencrypted snapshot can be.
  bool encryption_by_default = false;

  // RunInstances and StartInstances are refused with InsufficientInstanceCapacity.
  struct Shortage {
    std::string instance_type, zone;  // "*": any
  };
  std::vector<Shortage> no_capacity;

  bool has_capacity(const std::string& instance_type, const std::string& zone) const;
};

// {"instance_start_ms": 200, ..., "initialization_mib_per_second": 0,
//  "no_capacity": [{"instance_type": "t3.small", "zone": "us-east-1a"}]}
nlohmann::json to_json(const Knobs& knobs);
// Turns those that are named. `invalid_argument`, and none is turned, when one cannot be so.
Result<> turn(Knobs& knobs, const nlohmann::json& wanted);

}  // namespace rekindle::sandbox
