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
// Fencing: the VM is off as long as the instance runs, and the instance is stopped before the VM starts;
// where a new VM is made, the VM of before is off, too. A failback that fails or is cancelled powers the VM
// off and starts the instance again, if it ran before. Until both is done the job stays `cleaning`, and is
// resumed.
//
// Whoever writes to the VM's disks meanwhile loses it: change tracking is asked after each pass what the pass
// wrote, and before the instance stops what was written since by others.
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
  bool ask = false;       // waits for 'failback approve' before it stops the instance
  bool as_it_is = false;  // comes home also where the conversion for the account could not be undone
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
// bytes_written, milliseconds, undone}; ["forecast_ms"], ["downtime_ms"]: of the service; ["down_since"]:
// from before the order to stop; ["instance_was_stopped"]: at that time; ["must_be_off"]: the VM at home that
// could not be switched off yet.
JobProcedure failback_procedure(FailbackParts parts);

// Before the instance of a failover is terminated. `failed_precondition`: its machine came home, and yet the
// instance runs: somebody started it, and may work there.
Result<> check_may_be_terminated(Sites& sites, const Failover& failover);

// The step in `copy` that a person's approval is asked for.
inline constexpr const char* failback_approval = "stop";
// An approval, too: the datacenter is lost, so that the instance may start although the VM at home could not
// be switched off. That stays to be done: the job stays `cleaning` with job.data["must_be_off"].
inline constexpr const char* failback_datacenter_is_down = "datacenter_is_down";

}  // namespace rekindle
