// Backup of a machine that runs in the account since a failover: into the vault as a recovery point of the
// same machine, so that it is protected there, and can come home.
//
//   prepare        the failover runs; which recovery point the new one builds upon
//   snapshot       all volumes of the instance at one instant
//   read           what changed since the last backup there, or since the DR copy that it was started from,
//                  into a new recovery point; in it the conversion is undone, so that every point of the
//                  machine is of the machine as VMware knows it
//   record         the point into the catalog; the snapshot stays, as what the next backup asks its changes
//                  since
//   remove_old     the snapshot of the backup before it
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/job_runner.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

struct InstanceBackupRequest {
  std::string machine;
  std::string failover_id;
};

nlohmann::json parameters_of(const InstanceBackupRequest& request);

// job.data["point"]: the RecoveryPoint. ["undone"]: what became of the conversion, see MachineReturn::report.
JobProcedure instance_backup_procedure(Sites& sites, Vaults& vaults);

// Whether the account runs the machine now, so that it is backed up there. False of one that nobody knows
// yet.
Result<bool> runs_in_account(Catalog& catalog, const std::string& machine);

// The production failovers of the plan that run, by their machines; of those named, or of all.
// `failed_precondition`: there is none. `not_found`: the plan does not hold one that is named.
Result<std::map<std::string, Failover>> machines_away(Catalog& catalog, const DrPlan& plan,
                                                      const std::vector<std::string>& machines);

// The production failover of the machine that runs now. `failed_precondition`: there is none.
Result<Failover> running_failover(Catalog& catalog, const std::string& machine);

// The newest recovery point of this failover's instance, else the one that it was started from. `not_found`:
// the catalog has neither any more.
Result<RecoveryPoint> newest_point_of(Catalog& catalog, const Failover& failover);

struct InstanceVolumes {
  std::vector<DiskSnapshot> of_disks;  // one of each disk of the machine, in the order of its disks
  std::vector<DiskSnapshot> added;     // by somebody since the launch: they are left out
};

// Which of an instance's volumes are the disks of the machine, of which there are so many: by the ids that
// they were launched with, and not by their order, which is that of the device names, and which a volume that
// somebody attached since shifts. `failed_precondition`: one of them is missing.
Result<InstanceVolumes> volumes_of_disks(const Failover& failover, std::size_t disks,
                                         const std::vector<DiskSnapshot>& volumes);

// Whether a volume of the instance can be stored as the machine's disk. `failed_precondition`: it was made
// larger, or smaller, in the account.
Result<> check_volume_size(const RecoveryPointDisk& disk, const DiskId& volume, std::uint64_t size_bytes);

}  // namespace rekindle
