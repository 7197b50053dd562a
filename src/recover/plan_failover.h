// Failover of a whole plan: its recovery workflow, step by step. The machines of a step are started side by
// side, each by a failover job of its own; before a step it may wait, or ask a person; after it a script may
// run.
//
// It is a job itself, so that it goes on where it was after a crash: machines that were started are not
// started again. A machine that fails ends the workflow or not, as its step says; machines that run stay.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job_runner.h"
#include "model/dr_plan.h"
#include "recover/failover.h"

namespace rekindle {

// Of a step; the site's quotas are beneath.
inline constexpr std::size_t machines_at_once = 32;

struct PlanFailoverRequest {
  std::string plan;
  FailoverKind kind = FailoverKind::production;
  bool datacenter_is_down = false;
  std::vector<std::string> machines;                // of the plan; empty: all
  std::map<std::string, std::string> dr_copy_ids;   // machine -> copy aside; others: the plan's current one
  nlohmann::json asked = nlohmann::json::object();  // the user's words, by which the run is known again
  Time expires = {};                                // of a test: see Failover::expires
  // All machines run, and the run before failed after that: its steps are done again, machines are left
  // alone.
  bool takes_up_steps = false;
};

nlohmann::json parameters_of(const PlanFailoverRequest& request);

// The machine's failover of this plan and kind that runs now, if there is one.
Result<std::optional<Failover>> running_failover(Catalog& catalog, const std::string& plan,
                                                 const std::string& machine, FailoverKind kind);

// The subject of its jobs: at most one unfinished failover of a plan.
std::string plan_subject(const std::string& plan);

// Performs a machine's failover job to its end; the job with the parameters of `request` that is unfinished
// or succeeded is the same one. Any thread.
using RunFailover = std::function<Result<Job>(const FailoverRequest& request, std::stop_token stop)>;

// job.data["machines"]: machine -> {job_id, state, error, step, started, launched, finished, instance_id,
// private_ip, public_ip}. job.data["steps"]: name -> {state, started, script_started, finished,
// script_output, or, of a script that runs inside machines, script_outputs: machine -> output}. The copies
// aside are forgotten at its end, whatever that is. `sites` outlives the procedure.
JobProcedure plan_failover_procedure(RunFailover run_failover, Sites& sites);

}  // namespace rekindle
