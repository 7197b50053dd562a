#include "recover/plan_failover.h"

#include <fmt/ranges.h>

#include <mutex>
#include <optional>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/parallel.h"
#include "jobs/dr_copies.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/guest_script.h"
#include "recover/script.h"

namespace rekindle {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

FailoverRequest request_of(const Job& job, const std::string& machine) {
  FailoverRequest request;
  request.plan = text(job.parameters, "plan");
  request.machine = machine;
  request.kind = job.parameters.value("kind", FailoverKind::production);
  request.datacenter_is_down = job.parameters.value("datacenter_is_down", false);
  request.dr_copy_id = text(job.parameters.value("dr_copy_ids", json::object()), machine.c_str());
  request.run = job.id.str();
  request.expires = job.parameters.value("expires", Time());
  return request;
}

json record_of(const Job& failover) {
  json record = {{"job_id", failover.id},        {"state", failover.state},
                 {"error", failover.error},      {"started", failover.created},
                 {"finished", failover.updated}, {"timings", failover.timings}};
  for (const char* key : {"launched", "instance_id", "private_ip", "public_ip"}) {
    if (failover.data.contains(key)) record[key] = failover.data[key];
  }
  return record;
}

// One run of the workflow. What several threads write is job.data, under the mutex.
class Workflow {
 public:
  Workflow(StepContext& context, const RunFailover& run_failover, Sites& sites)
      : context_(context), run_failover_(run_failover), sites_(sites) {}

  Result<> run();

 private:
  Result<> run_step(const PlanStep& step);
  Result<> before(const PlanStep& step);
  Result<> wait_for_approval(const PlanStep& step);
  Result<> start_machines(const PlanStep& step);
  Result<> start_machine(const std::string& machine);
  Result<bool> take_up(const std::string& machine);
  Result<std::optional<Failover>> running_failover(const std::string& machine);
  Result<> run_script(const PlanStep& step);
  Result<> run_here(const PlanStep& step);
  Result<> run_in_guests(const PlanStep& step);
  Result<> run_in(const PlanStep& step, const std::string& machine, GuestScripts& scripts);
  Result<InstanceId> started_instance(const std::string& machine);
  std::map<std::string, std::string> environment_of(const PlanStep& step);
  Result<> save();
  json machines_so_far();
  json& state_of(const PlanStep& step) {
    json& state = context_.job.data["steps"][step.name];
    if (state.is_null()) state = json::object();
    return state;
  }
  void note(const PlanStep& step, const char* key, json value);

  StepContext& context_;
  const RunFailover& run_failover_;
  Sites& sites_;
  std::mutex mutex_;
};

Result<> Workflow::save() {
  const std::lock_guard lock(mutex_);
  return context_.catalog.save_job(context_.job);
}

void Workflow::note(const PlanStep& step, const char* key, json value) {
  const std::lock_guard lock(mutex_);
  state_of(step)[key] = std::move(value);
}

Result<> Workflow::wait_for_approval(const PlanStep& step) {
  const std::string id = approval_id(context_.job.id, step.name);
  const auto approved = [&] { return context_.catalog.get<Approval>(id).ok(); };
  if (approved()) return {};
  log::warn("step '{}' waits for an approval: rekindle failover approve {}", step.name,
            text(context_.job.parameters, "plan"));
  note(step, "state", "waits for an approval");
  TRY(save());
  while (!approved()) {
    if (!context_.clock.sleep(milliseconds(300), context_.stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
  }
  return {};
}

Result<> Workflow::before(const PlanStep& step) {
  if (step.approval) TRY(wait_for_approval(step));
  if (step.delay_seconds == 0 || state_of(step).contains("delayed")) return {};
  note(step, "state", "waits");
  TRY(save());
  if (!context_.clock.sleep(std::chrono::seconds(step.delay_seconds), context_.stop))
    return error(ErrorCode::cancelled, "cancelled by the user");
  note(step, "delayed", true);
  return save();
}

// Of this plan, as this run would start it.
Result<std::optional<Failover>> Workflow::running_failover(const std::string& machine) {
  const FailoverRequest request = request_of(context_.job, machine);
  const auto failovers = TRY(context_.catalog.list<Failover>(machine));
  for (const Failover& one : failovers) {
    if (one.plan == request.plan && one.kind == request.kind && one.state == FailoverState::running)
      return std::optional(one);
  }
  return std::optional<Failover>();
}

// True: the machine runs since the run before.
Result<bool> Workflow::take_up(const std::string& machine) {
  if (!context_.job.parameters.value("takes_up_steps", false)) return false;
  const auto running = TRY(running_failover(machine));
  if (!running) return false;
  {
    const std::lock_guard lock(mutex_);
    context_.job.data["machines"][machine] = {{"job_id", running->job_id},
                                              {"state", JobState::succeeded},
                                              {"ran_before", true},
                                              {"instance_id", running->instance_id},
                                              {"private_ip", running->private_ip},
                                              {"public_ip", running->public_ip}};
  }
  TRY(save());
  return true;
}

Result<> Workflow::start_machine(const std::string& machine) {
  if (TRY(take_up(machine))) return {};
  const FailoverRequest request = request_of(context_.job, machine);
  const Result<Job> job = run_failover_(request, context_.stop);
  {
    const std::lock_guard lock(mutex_);
    context_.job.data["machines"][machine] =
        job.ok() ? record_of(*job) : json{{"state", JobState::failed}, {"error", job.error().message()}};
  }
  TRY(save());
  if (!job.ok()) return job.error();
  return outcome(*job);
}

std::vector<std::string> chosen_of(const std::vector<std::string>& machines, const json& parameters) {
  const auto named = parameters.value("machines", std::vector<std::string>());
  std::vector<std::string> chosen;
  for (const std::string& machine : machines) {
    if (is_chosen(named, machine)) chosen.push_back(machine);
  }
  return chosen;
}

// Side by side. All are tried; the first error is returned.
Result<> try_each(const std::vector<std::string>& machines,
                  const std::function<Result<>(std::size_t i)>& perform) {
  const auto results = try_all(machines.size(), machines_at_once, perform);
  std::vector<std::string> failed;
  Result<> first;
  for (std::size_t i = 0; i < machines.size(); ++i) {
    if (results[i].ok()) continue;
    if (first.ok()) {
      first = results[i];
      if (machines.size() > 1) first = Error(results[i].error()).context("{}", machines[i]);
    }
    failed.push_back(machines[i]);
  }
  if (failed.size() > 1 && first.error().code() != ErrorCode::cancelled) {
    return error(first.error().code(), "{} ({} machines failed: {})", first.error().message(), failed.size(),
                 fmt::join(failed, ", "));
  }
  return first;
}

Result<> Workflow::start_machines(const PlanStep& step) {
  const auto machines = chosen_of(step.machines, context_.job.parameters);
  return try_each(machines, [&](std::size_t i) { return start_machine(machines[i]); });
}

// What a script needs of the machines, and no more: the environment is small.
json Workflow::machines_so_far() {
  const std::lock_guard lock(mutex_);
  json machines = json::object();
  const json records = context_.job.data.value("machines", json::object());
  for (const auto& [name, record] : records.items()) {
    for (const char* key : {"instance_id", "private_ip", "public_ip"})
      if (record.contains(key)) machines[name][key] = record[key];
  }
  return machines;
}

std::map<std::string, std::string> Workflow::environment_of(const PlanStep& step) {
  return {{"REKINDLE_PLAN", text(context_.job.parameters, "plan")},
          {"REKINDLE_STEP", step.name},
          {"REKINDLE_KIND", word(context_.job.parameters.value("kind", FailoverKind::production))},
          {"REKINDLE_MACHINES", machines_so_far().dump()}};
}

Result<> ended_well(const ScriptOutcome& outcome) {
  if (outcome.exit_status == 0) return {};
  return error(ErrorCode::failed_precondition, "the script ended with status {}: {}", outcome.exit_status,
               outcome.last_line());
}

Result<> Workflow::run_here(const PlanStep& step) {
  const ScriptOutcome outcome =
      TRY(rekindle::run_script(step.script, environment_of(step), std::chrono::seconds(step.script_seconds),
                               context_.stop),
          "the script");
  note(step, "script_output", outcome.output);
  return ended_well(outcome);
}

// By this run, or by the one before, of which this one takes up the rest.
Result<InstanceId> Workflow::started_instance(const std::string& machine) {
  {
    const std::lock_guard lock(mutex_);
    const json machines = context_.job.data.value("machines", json::object());
    const json record = machines.value(machine, json::object());
    if (record.contains("state") && record.at("state") == json(JobState::succeeded))
      return InstanceId(text(record, "instance_id"));
  }
  const auto running = TRY(running_failover(machine));
  if (running) return running->instance_id;
  return error(ErrorCode::failed_precondition, "the script cannot run in it: it was not started");
}

Result<> Workflow::run_in(const PlanStep& step, const std::string& machine, GuestScripts& scripts) {
  GuestScript script{TRY(started_instance(machine)), step.script, environment_of(step),
                     std::chrono::seconds(step.script_seconds), ""};
  script.environment["REKINDLE_MACHINE"] = machine;
  script.token = fmt::format("rekindle-{}-{}", context_.job.id, step.name);
  const ScriptOutcome outcome =
      TRY(run_guest_script(scripts, script, context_.clock, context_.stop), "the script");
  const std::lock_guard lock(mutex_);
  state_of(step)["script_outputs"][machine] = outcome.output;
  return ended_well(outcome);
}

// The machines that the user named, or all: also such as run already, for their script may be what failed
// the last time.
Result<> Workflow::run_in_guests(const PlanStep& step) {
  const auto plan = TRY(context_.catalog.get<DrPlan>(text(context_.job.parameters, "plan")));
  GuestScripts* scripts = TRY(sites_.guest_scripts(plan.account));
  const auto machines =
      chosen_of(step.script_on, context_.job.parameters.value("asked", json::object()));
  Result<> done = try_each(machines, [&](std::size_t i) { return run_in(step, machines[i], *scripts); });
  if (!done.ok() && machines.size() == 1) return std::move(done).error().context("{}", machines.front());
  return done;
}

Result<> Workflow::run_script(const PlanStep& step) {
  if (step.script.empty()) return {};
  note(step, "script_started", context_.clock.now());
  TRY(save());
  return step.script_on.empty() ? run_here(step) : run_in_guests(step);
}

Result<> Workflow::run_step(const PlanStep& step) {
  TRY(before(step));
  note(step, "state", "running");
  note(step, "started", context_.clock.now());
  TRY(save());
  crash_point("plan_failover/step");
  TRY(start_machines(step));
  return run_script(step);
}

Result<> Workflow::run() {
  const auto plan = TRY(context_.catalog.get<DrPlan>(text(context_.job.parameters, "plan")));
  Result<> first;
  for (const PlanStep& step : steps_of(plan)) {
    if (text(state_of(step), "state") == "done") continue;
    Result<> done = run_step(step);
    note(step, "finished", context_.clock.now());
    note(step, "state", done.ok() ? "done" : "failed");
    if (!done.ok()) note(step, "error", done.error().message());
    TRY(save());
    if (done.ok()) continue;
    Error failure = std::move(done).error();
    if (!plan.steps.empty()) failure = std::move(failure).context("step '{}'", step.name);
    if (step.on_failure == OnFailure::abort || failure.code() == ErrorCode::cancelled) return failure;
    if (!plan.steps.empty()) log::warn("{}; going on, as the plan says", failure.message());
    if (first.ok()) first = std::move(failure);
  }
  return first;
}

}  // namespace

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
  procedure.clean_up = forget;
  return procedure;
}

}  // namespace rekindle
