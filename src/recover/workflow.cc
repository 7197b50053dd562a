#include "recover/workflow.h"

#include <fmt/ranges.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/parallel.h"
#include "model/json.h"

namespace rekindle {

using nlohmann::json;
using std::chrono::milliseconds;

namespace {

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

}  // namespace

Result<> Workflow::save() {
  const std::lock_guard lock(mutex_);
  return context_.catalog.save_job(context_.job);
}

void Workflow::note(const PlanStep& step, const char* key, json value) {
  const std::lock_guard lock(mutex_);
  state_of(step)[key] = std::move(value);
}

void Workflow::note_once(const PlanStep& step, const char* key, json value) {
  const std::lock_guard lock(mutex_);
  if (!state_of(step).contains(key)) state_of(step)[key] = std::move(value);
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
Result<std::optional<Failover>> Workflow::failover_that_runs(const std::string& machine) {
  const FailoverRequest request = request_of(context_.job, machine);
  return running_failover(context_.catalog, request.plan, machine, request.kind);
}

Result<> Workflow::note_running(const Failover& failover) {
  {
    const std::lock_guard lock(mutex_);
    context_.job.data["machines"][failover.machine] = {{"job_id", failover.job_id},
                                                       {"state", JobState::succeeded},
                                                       {"ran_before", true},
                                                       {"instance_id", failover.instance_id},
                                                       {"private_ip", failover.private_ip},
                                                       {"public_ip", failover.public_ip}};
  }
  return save();
}

// True: the machine runs since the run before.
Result<bool> Workflow::take_up(const std::string& machine) {
  if (!context_.job.parameters.value("takes_up_steps", false)) return false;
  const auto running = TRY(failover_that_runs(machine));
  if (!running) return false;
  for (const Job& job : TRY(context_.catalog.jobs_of(machine))) {
    if (!is_over(job.state)) {
      return error(ErrorCode::failed_precondition,
                   "{} is being worked on by {} ({}); wait until that has ended", machine, job.id,
                   word(job.kind));
    }
  }
  RecoveryTarget* site = TRY(sites_.account(running->account));
  const Instance instance = TRY(site->instance(running->instance_id));
  if (instance.state != InstanceState::running) {
    return error(ErrorCode::failed_precondition,
                 "{} does not run any more as {}; start that instance, or end it with 'rekindle failover "
                 "clean-up {}'",
                 machine, running->instance_id, running->plan);
  }
  TRY(note_running(*running));
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

std::vector<std::string> chosen_of(const std::vector<std::string>& machines, const json& words) {
  const auto named = words.value("machines", std::vector<std::string>());
  std::vector<std::string> chosen;
  for (const std::string& machine : machines) {
    if (is_chosen(named, machine)) chosen.push_back(machine);
  }
  return chosen;
}

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

}  // namespace rekindle
