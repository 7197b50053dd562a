// Workflow: the script of a step, here or inside machines.
#include "base/log.h"
#include "model/json.h"
#include "recover/guest_script.h"
#include "recover/script.h"
#include "recover/workflow.h"

namespace rekindle {

using nlohmann::json;

Result<> Workflow::note_of_script(const PlanStep& step, const char* key, const std::string& machine,
                                  json value) {
  {
    const std::lock_guard lock(mutex_);
    state_of(step)[key][machine] = std::move(value);
  }
  return save();
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

namespace {

// Of the instance it runs in; at most 100 characters, as check_plan() sees to.
std::string guest_script_token(const Job& job, const PlanStep& step) {
  return fmt::format("rekindle-{}-{}", job.id, step.name);
}

Result<> ended_well(const ScriptOutcome& outcome) {
  if (outcome.exit_status == 0) return {};
  return error(ErrorCode::failed_precondition, "the script ended with status {}: {}", outcome.exit_status,
               outcome.last_line());
}

}  // namespace

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
  const auto running = TRY(failover_that_runs(machine));
  if (!running)
    return error(ErrorCode::failed_precondition, "the script cannot run in it: it was not started");
  TRY(note_running(*running));
  return running->instance_id;
}

Result<> Workflow::run_in(const PlanStep& step, const std::string& machine, GuestScripts& scripts) {
  GuestScript script{TRY(started_instance(machine)), step.script, environment_of(step),
                     std::chrono::seconds(step.script_seconds), guest_script_token(context_.job, step)};
  script.environment["REKINDLE_MACHINE"] = machine;
  GuestRunOptions options;
  options.stop = context_.stop;
  options.starting = [&] { return note_of_script(step, "scripts_begun", machine, script.instance); };
  {
    const std::lock_guard lock(mutex_);
    options.may_exist = state_of(step).value("scripts_begun", json::object()).contains(machine);
  }
  const GuestScriptState state =
      TRY(run_guest_script(scripts, script, context_.clock, options), "the script");
  TRY(note_of_script(step, "script_outputs", machine, state.output));
  const ScriptOutcome outcome{state.exit_status, state.output};
  if (state.exit_status >= 0) return ended_well(outcome);
  return error(ErrorCode::failed_precondition, "the script was ended ({}); it last said: {}", state.detail,
               outcome.last_line());
}

// The machines that the user named, or all: also such as run already, for their script may be what failed
// the last time.
Result<> Workflow::run_in_guests(const PlanStep& step) {
  const auto plan = TRY(context_.catalog.get<DrPlan>(text(context_.job.parameters, "plan")));
  GuestScripts* scripts = TRY(sites_.guest_scripts(plan.account));
  const auto machines = chosen_of(step.script_on, context_.job.parameters.value("asked", json::object()));
  Result<> done = try_each(machines, [&](std::size_t i) { return run_in(step, machines[i], *scripts); });
  if (!done.ok() && machines.size() == 1) return std::move(done).error().context("{}", machines.front());
  return done;
}

Result<> Workflow::run_script(const PlanStep& step) {
  if (step.script.empty()) return {};
  note_once(step, "script_started", context_.clock.now());
  TRY(save());
  return step.script_on.empty() ? run_here(step) : run_in_guests(step);
}

void end_scripts(StepContext& context, Sites& sites) {
  const auto plan = context.catalog.get<DrPlan>(text(context.job.parameters, "plan"));
  if (!plan.ok()) return;
  const json states = context.job.data.value("steps", json::object());
  for (const PlanStep& step : plan->steps) {
    const json state = states.value(step.name, json::object());
    const json begun = state.value("scripts_begun", json::object());
    if (begun.empty() || text(state, "state") == "done") continue;
    const auto scripts = sites.guest_scripts(plan->account);
    for (const auto& [machine, instance] : begun.items()) {
      const Result<> ended = scripts.ok() ? end_guest_script(**scripts, instance.get<InstanceId>(),
                                                             guest_script_token(context.job, step))
                                          : scripts.error();
      if (!ended.ok()) log::warn("the script in {} may go on: {}", machine, ended.error().message());
    }
  }
}

}  // namespace rekindle
