#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/failback.h"
#include "recover/failover.h"

namespace rekindle {

namespace {

Result<> release_failover(StepContext& context, Sites& sites) {
  auto failover = TRY(context.catalog.get<Failover>(text(context.job.parameters, "failover_id")));
  TRY(check_may_be_terminated(sites, failover));
  return context.catalog.transaction([&]() -> Result<> {
    const bool gives_back = runs_in_production(failover);
    TRY(context.catalog.release_uses("failover:" + failover.id));
    TRY(context.catalog.release_uses("rehearsal:" + failover.id));
    failover.state = FailoverState::released;
    TRY(context.catalog.put(failover));
    if (!gives_back) return {};  // of one that came home the machine is at home already
    // It has no other home: its instance goes on, and nobody knows of it any more.
    if (failover.born_there) return context.catalog.remove<ProtectedMachine>(failover.machine);
    auto machine = TRY(context.catalog.get<ProtectedMachine>(failover.machine));
    machine.runs_at = RunsAt::datacenter;
    return context.catalog.put(machine);
  });
}

}  // namespace

JobProcedure failover_cleanup_procedure(Sites& sites) {
  JobProcedure procedure;
  procedure.kind = JobKind::failover_cleanup;
  procedure.steps = {
      {"release", "control plane", "releasing the instance",
       [&sites](StepContext& context) { return release_failover(context, sites); }},
      {"terminate", "AWS proxy", "terminating the instance",
       [&sites](StepContext& context) -> Result<> {
         const auto failover =
             TRY(context.catalog.get<Failover>(text(context.job.parameters, "failover_id")));
         TRY(sweep_job(context.catalog, sites, context.clock, failover.job_id));
         // And the snapshots of the instance that its backups kept.
         TRY(sweep_finished_jobs(context.catalog, sites, context.clock, failover.account));
         return {};
       }},
  };
  procedure.clean_up = [](StepContext&) -> Result<> { return {}; };
  return procedure;
}

}  // namespace rekindle
