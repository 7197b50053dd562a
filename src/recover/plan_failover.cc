#include "recover/plan_failover.h"

#include "base/log.h"
#include "jobs/dr_copies.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/workflow.h"

namespace rekindle {

using nlohmann::json;

nlohmann::json parameters_of(const PlanFailoverRequest& request) {
  json parameters = {{"plan", request.plan},
                     {"kind", request.kind},
                     {"datacenter_is_down", request.datacenter_is_down},
                     {"machines", request.machines},
                     {"dr_copy_ids", request.dr_copy_ids},
                     {"asked", request.asked}};
  if (request.expires != Time()) parameters["expires"] = request.expires;
  if (request.takes_up_steps) parameters["takes_up_steps"] = true;
  return parameters;
}

Result<std::optional<Failover>> running_failover(Catalog& catalog, const std::string& plan,
                                                 const std::string& machine, FailoverKind kind) {
  const auto failovers = TRY(catalog.list<Failover>(machine));
  for (const Failover& one : failovers) {
    if (one.plan == plan && one.kind == kind && one.state == FailoverState::running)
      return std::optional(one);
  }
  return std::optional<Failover>();
}

std::string plan_subject(const std::string& plan) {
  return "plan " + plan;
}

namespace {

// The instances are made, or will not be: nobody needs the copies aside any more. What cannot be removed yet
// is for the next sweep.
Result<> forget_copies(StepContext& context, Sites& sites) {
  const auto copies = context.job.parameters.value("dr_copy_ids", json::object());
  for (const auto& [machine, id] : copies.items()) {
    const auto copy = context.catalog.get<DrCopy>(id.get<std::string>());
    if (!copy.ok() || copy->state != DrCopyState::aside) continue;
    TRY(forget_copy(context.catalog, *copy));
    const Result<> swept = sweep_job(context.catalog, sites, context.clock, copy->job_id);
    if (!swept.ok()) log::warn("not all of {} could be removed yet: {}", copy->id, swept.error().message());
  }
  return {};
}

}  // namespace

// Each machine's job cleans up after itself; machines that run stay.
JobProcedure plan_failover_procedure(RunFailover run_failover, Sites& sites) {
  const StepFunction forget = [&sites](StepContext& context) { return forget_copies(context, sites); };
  JobProcedure procedure;
  procedure.kind = JobKind::plan_failover;
  procedure.steps = {{"workflow", "control plane", "failing the plan over",
                      [run_failover = std::move(run_failover), &sites](StepContext& context) -> Result<> {
                        return Workflow(context, run_failover, sites).run();
                      }},
                     {"tidy", "control plane", "removing what is not needed any more", forget, true}};
  procedure.clean_up = [&sites](StepContext& context) {
    end_scripts(context, sites);
    return forget_copies(context, sites);
  };
  return procedure;
}

}  // namespace rekindle
