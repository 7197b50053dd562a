// Back to the account: of a failback that failed or was cancelled.
#include <optional>

#include "base/crash_point.h"
#include "base/log.h"
#include "model/json.h"
#include "recover/failback_steps.h"

namespace rekindle {

// The order to stop may have arrived late, or never, and for some seconds after it the site may still say
// that the instance runs.
Result<> Failback::run_again(StepContext& context, RecoveryTarget& site, const InstanceId& id) {
  constexpr int polls = 400;
  constexpr std::chrono::seconds settled{30};
  std::optional<std::chrono::nanoseconds> runs_since;
  for (int poll = 0; poll < polls; ++poll) {
    const Instance instance = TRY(site.instance(id));
    if (instance.state == InstanceState::stopped) return site.start(id);
    if (instance.state == InstanceState::terminated || instance.state == InstanceState::terminating) {
      log::error(
          "the instance {} was terminated by somebody: its machine runs nowhere; its last backup is {}", id,
          text(context.job.data, "written"));
      return {};
    }
    if (instance.state == InstanceState::stopping) {
      runs_since.reset();
    } else {
      if (!runs_since) runs_since = context.clock.ticks();
      if (context.clock.ticks() - *runs_since >= settled) return {};
    }
    context.clock.sleep(std::chrono::milliseconds(poll < 50 ? 100 : 1000));
  }
  return error(ErrorCode::unavailable, "the instance {} does not stop, so that it cannot be started again",
               id);
}

Result<> Failback::switch_home_off(StepContext& context) {
  const Job& job = context.job;
  if (!job.data.contains("started_at_home")) return {};
  RestoreTarget* target = TRY(home(job));
  const Result<> off = target->power_off(home_of(job));
  if (off.ok() || off.error().code() == ErrorCode::not_found) return {};
  return off;
}

Result<> check_may_be_terminated(Sites& sites, const Failover& failover) {
  if (failover.state != FailoverState::returned) return {};
  RecoveryTarget* site = TRY(sites.account(failover.account));
  const auto instance = site->instance(failover.instance_id);
  if (!instance.ok() && instance.error().code() == ErrorCode::not_found) return {};
  if (!instance.ok()) return instance.error();
  if (instance->state != InstanceState::running && instance->state != InstanceState::pending) return {};
  return error(
      ErrorCode::failed_precondition,
      "{} came home, but its instance {} runs again: stop it, if nobody needs what it does, before it "
      "is removed",
      failover.machine, failover.instance_id);
}

// The machine goes on in the account, as before. First the VM, then the instance: never both.
Result<> Failback::clean_up(StepContext& context) {
  Job& job = context.job;
  if (is_rehearsal(job)) {  // its VM is no danger, and goes with the sweep
    const Result<> off = switch_home_off(context);
    if (!off.ok()) log::warn("switching the rehearsal's VM off: {}", off.error().message());
    return tidy(context);
  }
  const bool has_switched = job.data.contains("started_at_home") || job.data.contains("down_since");
  if (!has_switched) return tidy(context);
  const Failover found = TRY(failover(context));
  if (found.state == FailoverState::returned) {  // it came home, only the answer was lost
    job.state = JobState::succeeded;
    return tidy(context);
  }
  const Result<> off = switch_home_off(context);
  crash_point("failback/clean_up/home_off");
  const bool may_go_on =
      off.ok() || context.catalog.get<Approval>(approval_id(job.id, failback_datacenter_is_down)).ok();
  if (!may_go_on) {
    return error(
        off.error().code(),
        "switching the VM at home off again: {}; if the datacenter is lost, and the machine is to go "
        "on in the account: rekindle failback cancel {} --datacenter-is-down",
        off.error().message(), text(job.parameters, "plan"));
  }
  if (off.ok()) {
    job.data.erase("must_be_off");
  } else {
    job.data["must_be_off"] = {{"datacenter", text(job.data, "datacenter")}, {"machine_id", home_of(job)}};
  }
  if (!job.data.value("instance_was_stopped", false)) {
    RecoveryTarget* site = TRY(account(context));
    TRY(run_again(context, *site, found.instance_id), "starting {} again", found.instance_id);
  }
  crash_point("failback/clean_up/runs_again");
  TRY(tidy(context));
  if (off.ok()) return {};
  return error(ErrorCode::failed_precondition,
               "the machine goes on in the account, but its VM {} at home (in {}) could not be switched off "
               "({}): it must not run; it is switched off as soon as the datacenter answers",
               home_of(job), text(job.data, "datacenter"), off.error().message());
}

}  // namespace rekindle
