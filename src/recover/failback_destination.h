// Where a machine comes home to: the VM it was, or a new one.
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "recover/bring_home.h"
#include "recover/failback.h"

namespace rekindle {

struct Destination {
  std::string datacenter;
  MachineId machine_id;  // empty: to be made
  bool original_is_there = false;
  bool was_on = false;          // the original
  bool has_snapshots = false;   // likewise
  std::vector<DiskSpec> disks;  // likewise
};

// `failed_precondition`: the original is asked for, and is not there. Other errors: the datacenter does not
// answer.
Result<Destination> find_destination(Catalog& catalog, Sites& sites, const DrPlan& plan,
                                     const FailbackRequest& request);

// As create_machine() wants it: from the recovery point's configuration and the plan's settings.
// `failed_precondition`: a rehearsal without a test network.
Result<NewMachine> new_machine_of(const DrPlan& plan, const RecoveryPoint& point,
                                  const FailbackRequest& request, bool original_is_there,
                                  const std::string& token);

// The snapshot of that name, made if it is not there.
Result<MachineSnapshot> snapshot_named(SnapshotSource& home, const MachineId& machine,
                                       const std::string& name);

// What the disks of the original hold in this snapshot, compared with the point that it should be at: asks
// changed block tracking.
Result<std::vector<DiskAtHome>> look_at_home(SnapshotSource& home, const MachineId& machine,
                                             const MachineSnapshotId& snapshot, const RecoveryPoint& base);

// Whether the disks of the original can take those of the point. `failed_precondition`: one is missing, or is
// smaller.
Result<> check_disks_at_home(const std::vector<DiskSpec>& at_home, const RecoveryPoint& point);

// Powers the VM off that the machine was, where `home`, to come home to in `datacenter`, is another: they
// have the same addresses. Off or gone is fine. Where it was in another datacenter that does not answer, or
// is not known any more, that is a warning, which the failback's job remembers (recover/left_running.h).
Result<> switch_off_original(Catalog& catalog, Sites& sites, Job& job, const std::string& datacenter,
                             const MachineId& home);

void to_json(nlohmann::json& j, const DiskAtHome& disk);
void from_json(const nlohmann::json& j, DiskAtHome& disk);

}  // namespace rekindle
