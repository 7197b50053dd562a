#include "base/crash_point.h"
#include "base/log.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/bring_home.h"
#include "recover/failback_destination.h"
#include "recover/failback_steps.h"
#include "recover/health_check.h"

namespace rekindle {

Result<> Failback::wait_until_stopped(StepContext& context, RecoveryTarget& site, const InstanceId& id) {
  constexpr int polls = 900;
  for (int poll = 0; poll < polls; ++poll) {
    const Instance instance = TRY(site.instance(id));
    if (instance.state == InstanceState::stopped) return {};
    if (instance.state == InstanceState::terminated || instance.state == InstanceState::terminating) {
      return error(ErrorCode::failed_precondition,
                   "the instance {} was terminated by somebody; its last backup is {}", id,
                   text(context.job.data, "written"));
    }
    if (!context.clock.sleep(std::chrono::milliseconds(poll < 50 ? 100 : 1000), context.stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
  }
  return error(ErrorCode::exhausted, "the instance {} does not stop; stop it in the guest, and try again",
               id);
}

// From here on the service is away.
Result<> Failback::stop(StepContext& context) {
  Job& job = context.job;
  if (is_rehearsal(job)) return {};
  RecoveryTarget* site = TRY(account(context));
  const Failover found = TRY(failover(context));
  if (!job.data.contains("down_since")) {
    job.data["down_since"] = context.clock.now();
    TRY(context.catalog.save_job(job));
  }
  crash_point("failback/stop/intended");
  TRY(site->stop(found.instance_id));
  TRY(wait_until_stopped(context, *site, found.instance_id));
  job.data["stop_ms"] = (context.clock.now() - job.data.at("down_since").get<Time>()).count();
  return {};
}

Result<> Failback::last_copy(StepContext& context) {
  Job& job = context.job;
  if (is_rehearsal(job) || job.data.value("last_copy_done", false)) return {};
  TRY(pass(context), "the last pass");
  job.data["last_copy_done"] = true;
  return {};
}

Result<> Failback::start(StepContext& context) {
  Job& job = context.job;
  RestoreTarget* target = TRY(home(job));
  if (!is_rehearsal(job)) {  // the last look before both could run
    RecoveryTarget* site = TRY(account(context));
    const Failover found = TRY(failover(context));
    TRY(site->stop(found.instance_id));
    TRY(wait_until_stopped(context, *site, found.instance_id));
  }
  job.data["started_at_home"] = context.clock.now();
  TRY(context.catalog.save_job(job));
  crash_point("failback/start/intended");
  return target->power_on(home_of(job));
}

Result<> Failback::wait_service(StepContext& context) {
  Job& job = context.job;
  const FailbackSettings wanted = TRY(settings(context));
  const DrPlan of_plan = TRY(plan(context));
  SnapshotSource* site = TRY(machines(job));
  if (!wanted.health_check.empty() && !is_rehearsal(job)) {
    const HealthProbe probe = TRY(url_probe(parts_.http, wanted.health_check, context.stop));
    TRY(wait_until_healthy(context.clock, probe, std::chrono::seconds(of_plan.health_check_seconds),
                           context.stop, [&]() -> Result<> {
                             const auto machine = site->machine(home_of(job));
                             if (!machine.ok() && machine.error().transient()) return {};
                             if (!machine.ok()) return machine.error();
                             if (machine->power == PowerState::on) return {};
                             return error(ErrorCode::failed_precondition, "the VM {} went off again",
                                          machine->name);
                           }));
  }
  const Time now = context.clock.now();
  job.data["service_ms"] = (now - job.data.at("started_at_home").get<Time>()).count();
  if (!is_rehearsal(job)) job.data["downtime_ms"] = (now - job.data.at("down_since").get<Time>()).count();
  return {};
}

// The last point is what the VM at home began with: the next backup there asks its changes since the mark.
// Where a new VM has other ids than the point, the next backup is a full one, which stores little.
Result<> Failback::mark_point(StepContext& context, ProtectedMachine& machine) {
  const Job& job = context.job;
  auto point = TRY(context.catalog.get<RecoveryPoint>(text(job.data, "written")));
  const auto disks = job.data.at("disks").get<std::vector<DiskAtHome>>();
  const bool same_ids =
      machine.id == home_of(job) &&
      std::all_of(disks.begin(), disks.end(), [](const auto& disk) { return disk.at_home == disk.in_point; });
  machine.id = home_of(job);
  machine.datacenter = text(job.data, "datacenter");
  if (!same_ids) {
    log::info("{}: the new VM has ids of its own; its next backup reads everything", machine.name);
    return {};
  }
  for (RecoveryPointDisk& disk : point.disks) {
    disk.change_id = text(job.data.at("marks"), disk.disk_id.str().c_str());
    disk.undone_blocks.clear();
  }
  point.account.clear();
  point.datacenter = machine.datacenter;
  return context.catalog.put(point);
}

Result<> Failback::record_rehearsal(StepContext& context) {
  const std::string user = "rehearsal:" + text(context.job.parameters, "failover_id");
  return context.catalog.mark_used(failback_token(context.job, "machine"), user);
}

Result<> Failback::record(StepContext& context) {
  const Job& job = context.job;
  if (is_rehearsal(job)) return record_rehearsal(context);
  const DrPlan of_plan = TRY(plan(context));
  return context.catalog.transaction([&]() -> Result<> {
    Failover found = TRY(failover(context));
    if (found.state == FailoverState::returned) return {};
    auto machine = TRY(context.catalog.get<ProtectedMachine>(found.machine));
    TRY(mark_point(context, machine));
    machine.runs_at = RunsAt::datacenter;
    TRY(context.catalog.put(machine));
    if (job.data.value("makes_new", false))
      TRY(context.catalog.mark_used(failback_token(job, "machine"), "machine:" + machine.name));
    found.state = FailoverState::returned;
    found.returned_point = RecoveryPointId(text(job.data, "written"));
    found.finished = context.clock.now();
    found.keep_until = context.clock.now() + std::chrono::hours(24 * of_plan.keep_days);
    return context.catalog.put(found);
  });
}

Result<> Failback::tidy(StepContext& context) {
  const Result<> swept = sweep_job(context.catalog, parts_.sites, context.clock, context.job.id);
  if (!swept.ok()) {
    log::warn("{}: not all could be removed yet: {}", context.job.id, swept.error().message());
    context.job.data["left_behind"] = swept.error().message();
  }
  return {};
}

// It may still be on its way down, or the order to stop may never have arrived.
Result<> Failback::run_again(StepContext& context, RecoveryTarget& site, const InstanceId& id) {
  constexpr int polls = 900;
  for (int poll = 0; poll < polls; ++poll) {
    const Instance instance = TRY(site.instance(id));
    if (instance.state == InstanceState::stopped) return site.start(id);
    if (instance.state != InstanceState::stopping) return {};  // it runs, or is gone
    context.clock.sleep(std::chrono::milliseconds(poll < 50 ? 100 : 1000));
  }
  return error(ErrorCode::unavailable, "the instance {} does not stop, so that it cannot be started again",
               id);
}

// The machine goes on in the account, as before. First the VM, then the instance: never both.
Result<> Failback::clean_up(StepContext& context) {
  const Job& job = context.job;
  const bool had_started = job.data.contains("started_at_home");
  if (had_started) {
    RestoreTarget* target = TRY(home(job));
    const Result<> off = target->power_off(home_of(job));
    if (!off.ok() && off.error().code() != ErrorCode::not_found)
      return Error(off.error()).context("switching the VM at home off again");
  }
  if (job.data.contains("down_since")) {
    RecoveryTarget* site = TRY(account(context));
    const Failover found = TRY(failover(context));
    TRY(run_again(context, *site, found.instance_id), "starting {} again", found.instance_id);
  }
  return sweep_job(context.catalog, parts_.sites, context.clock, job.id);
}

}  // namespace rekindle
