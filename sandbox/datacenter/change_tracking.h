// Changed block tracking of one disk, as vSphere's clients see it: a change id names an instant, and asks
// later for what has changed since (vSphere API: QueryChangedDiskAreas; Broadcom KB 320557).
//
// Time is cut into epochs by the snapshots. A change id "UUID/N" is the beginning of epoch N. What was
// written in an epoch is kept from its end on, so that any earlier id can be answered by a union.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/result.h"
#include "sandbox/datacenter/areas.h"

namespace rekindle::sandbox {

class ChangeTracking {
 public:
  // Whether changes are recorded: tracking is enabled, and the machine was stunned since.
  bool active() const { return !uuid_.empty(); }
  // Starts (again): no id given before is known any more.
  void begin(Random& random);
  void end() { *this = {}; }

  // The id of the beginning of the current epoch; "" when not active.
  std::string change_id() const;
  int epoch() const { return epoch_; }

  // What was written in the current epoch, in addition to what is known already.
  void record(const Areas& written);
  // Ends the current epoch. The new change_id() is this instant.
  void close_epoch();

  // What changed from the instant `since` to the beginning of epoch `until`. `failed_precondition`: the id is
  // not of this tracking; `invalid_argument`: it is not an id, or a later instant than `until`.
  Result<Areas> changed(const std::string& since, int until) const;
  // The same up to now, for a machine that does not run.
  Result<Areas> changed_until_now(const std::string& since) const { return changed(since, epoch_ + 1); }

  nlohmann::json to_json() const;
  static ChangeTracking from_json(const nlohmann::json& json);

 private:
  std::string uuid_;            // "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63"
  int epoch_ = 0;               // the current one; the first is 1
  std::vector<Areas> written_;  // [i]: in epoch i + 1; the last one is the current epoch's
};

}  // namespace rekindle::sandbox
