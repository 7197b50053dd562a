// Replication: the newest recovery point of a machine becomes its DR copy at the account. The whole machine
// the first time, later only the blocks that differ from the present copy.
//
//   choose        the recovery point, the copy it replaces
//   convert       ahead of time: the blocks that EC2 needs, computed from the recovery point; its certificate
//   start_images  the boot disk's image, child of the present copy's; or one volume per disk (ledger first)
//   write         differing blocks -> images, each started (ledger first) before it is written, and completed
//                 with its checksum; or -> volumes, which are frozen
//   verify        what was written is read back and compared with the recovery point
//   register      workflow ami: the template that failover launches; the other workflow: none
//   switch        the new copy is the current one
//   remove_old    the replaced copy's images go
//
// At every instant the machine has its last complete, verified DR copy. Disks of it that were found damaged
// are made anew, whole (copy_damage.h).
#pragma once

#include <string>

#include "jobs/job_runner.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

struct ReplicateRequest {
  std::string plan;
  std::string machine;
  std::string point = {};  // empty: the newest. Else a copy aside, for one failover: DrCopyState::aside
};

nlohmann::json parameters_of(const ReplicateRequest& request);

JobProcedure replicate_procedure(Sites& sites, Vaults& vaults);

}  // namespace rekindle
