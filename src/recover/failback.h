// Failback: one machine that runs in the account since a failover comes home.
//
//   check         it runs there, the datacenter answers, where it will come home to
//   prepare       its VM of before is powered off, and what differs on its disks from the recovery point that
//                 the failover was started from is found out; or a new VM is made
//   copy          passes, while the instance runs: a backup of the instance into the vault (see
//                 protect/instance_backup.h), and what changed onto the VM's disks; until a pass is small,
//                 and, if it was asked for, until a person says go
//   mark          the VM's disks at this instant, for the backups at home to go on from
//   stop          the instance; from here on the service is away
//   last_copy     the last pass
//   start         the VM
//   wait_service  until its service answers
//   record        the machine is at home; the instance stays, stopped, until its time is over
//   tidy          snapshots go
//
// Fencing: the VM is off as long as the instance runs, and the instance is stopped before the VM starts. A
// failback that fails or is cancelled powers the VM off and starts the instance again.
//
// A rehearsal (test) makes a new VM in the plan's test network from one pass; the instance goes on running.
#pragma once

#include <functional>
#include <string>

#include "jobs/job_runner.h"
#include "net/http.h"
#include "protect/instance_backup.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

// original: the VM it was, which must be there. fresh: a new VM beside it. automatic: the original if it is
// there.
enum class ComeHomeTo { automatic, original, fresh };
NLOHMANN_JSON_SERIALIZE_ENUM(ComeHomeTo, {{ComeHomeTo::automatic, "automatic"},
                                          {ComeHomeTo::original, "original"},
                                          {ComeHomeTo::fresh, "new"}})

struct FailbackRequest {
  std::string plan;
  std::string machine;
  std::string failover_id;
  ComeHomeTo to = ComeHomeTo::automatic;
  bool test = false;
  bool ask = false;  // waits for 'failback approve' before it stops the instance
};

nlohmann::json parameters_of(const FailbackRequest& request);

// Performs an instance backup job to its end. Any thread.
using RunInstanceBackup =
    std::function<Result<Job>(const InstanceBackupRequest& request, std::stop_token stop)>;

struct FailbackParts {  // all outlive the procedure
  Sites& sites;
  Vaults& vaults;
  HttpTransport& http;
  RunInstanceBackup back_up;
};

// job.data: ["home"]: machine_id, made (a new VM), disks; ["passes"]: {point, bytes_read, bytes_changed,
// bytes_written, milliseconds}; ["forecast_ms"], ["downtime_ms"]: of the service.
JobProcedure failback_procedure(FailbackParts parts);

// The step in `copy` that a person's approval is asked for.
inline constexpr const char* failback_approval = "stop";

}  // namespace rekindle
