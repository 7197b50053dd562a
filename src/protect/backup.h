// Backup: one machine at one instant, from its datacenter into the vault. Full the first time, then only what
// changed.
//
//   prepare          find the machine, turn change tracking on, choose the parent point
//   snapshot         freeze the machine (ledger first)
//   read             changed areas -> vault; the point is committed there as one object
//   record           the point into the catalog
//   remove_snapshot  thaw the machine
//
// The new change ids are committed with the point before the snapshot goes; after any failure the old ones
// are still right, so the next backup reads a superset.
#pragma once

#include <string>

#include "jobs/job_runner.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

struct BackupRequest {
  std::string datacenter;
  std::string vault;
  std::string machine;  // name
  MachineId machine_id;
  bool full = false;  // read everything even if changes are tracked
};

nlohmann::json parameters_of(const BackupRequest& request);

// Where the machine is backed up: where it lives, once it came home to another datacenter than the policy's;
// the policy's of one that nobody knows yet, or that never went away.
Result<std::string> datacenter_of(Catalog& catalog, const BackupPolicy& policy, const std::string& machine);

// The table of the job. `sites` and `vaults` outlive it.
JobProcedure backup_procedure(Sites& sites, Vaults& vaults);

}  // namespace rekindle
