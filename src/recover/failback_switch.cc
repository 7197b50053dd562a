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
    // What a rollback makes it again, known before the order.
    const Instance instance = TRY(site->instance(found.instance_id));
    job.data["instance_was_stopped"] =
        instance.state == InstanceState::stopped || instance.state == InstanceState::stopping;
    job.data["down_since"] = context.clock.now();
    TRY(context.catalog.save_job(job));
  }
  crash_point("failback/stop/intended");
  TRY(site->stop(found.instance_id));
  TRY(wait_until_stopped(context, *site, found.instance_id));
  job.data["stop_ms"] = (context.clock.now() - job.data.at("down_since").get<Time>()).count();
  return {};
}

// Somebody may have started it while this job was interrupted. What its users wrote since comes home, too, by
// another last pass.
Result<> Failback::keep_stopped(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(account(context));
  const Failover found = TRY(failover(context));
  const Instance instance = TRY(site->instance(found.instance_id));
  if (instance.state == InstanceState::stopped) return {};
  if (instance.state == InstanceState::running || instance.state == InstanceState::pending) {
    log::warn("{}: the instance {} was started again meanwhile; stopping it, and copying once more",
              job.subject, found.instance_id);
    job.data["instance_was_stopped"] = false;
  }
  job.data["last_copy_done"] = false;
  TRY(context.catalog.save_job(job));
  TRY(site->stop(found.instance_id));
  return wait_until_stopped(context, *site, found.instance_id);
}

Result<> Failback::last_copy(StepContext& context) {
  Job& job = context.job;
  if (is_rehearsal(job) || job.data.value("last_copy_done", false)) return {};
  TRY(keep_stopped(context));
  // Its point may be of before the instance stopped. It is written to the end all the same: parts of it may
  // be there, and only what differs from a whole point is known.
  if (job.data.contains("pass")) TRY(pass(context), "the pass that was interrupted");
  TRY(pass(context), "the last pass");
  job.data["last_copy_done"] = true;
  job.data["last_copy_by"] = job.fencing;
  return context.catalog.save_job(job);
}

// The last look before both could run. Between two processes of this job the instance may have run, also
// where it is stopped now: then the last pass was not the last.
Result<> Failback::keep_one_alive(StepContext& context) {
  Job& job = context.job;
  if (job.data.contains("started_at_home")) {
    SnapshotSource* at_home = TRY(machines(job));
    const Machine machine = TRY(at_home->machine(home_of(job)));
    RecoveryTarget* site = TRY(account(context));
    const Failover found = TRY(failover(context));
    const Instance instance = TRY(site->instance(found.instance_id));
    const bool is_on = machine.power != PowerState::off;
    if (is_on && instance.state == InstanceState::stopped) return {};
    if (is_on) {
      return error(
          ErrorCode::failed_precondition,
          "the instance {} was started again while the VM {} ran at home: the machine goes on in the "
          "account; try again",
          found.instance_id, machine.name);
    }
  }
  TRY(keep_stopped(context));
  if (job.data.value("last_copy_by", std::uint64_t{0}) != job.fencing) job.data["last_copy_done"] = false;
  TRY(last_copy(context));
  return switch_off_original(context.catalog, parts_.sites, job, text(job.data, "datacenter"), home_of(job));
}

Result<> Failback::start(StepContext& context) {
  Job& job = context.job;
  RestoreTarget* target = TRY(home(job));
  if (!is_rehearsal(job)) TRY(keep_one_alive(context));
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
  const bool is_waited_for = !wanted.health_check.empty();
  if (is_waited_for && !is_rehearsal(job)) {
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
  if (is_rehearsal(job)) return {};  // whose service nobody waited for
  const Time now = context.clock.now();
  if (is_waited_for)  // else nobody knows how long it takes
    job.data["service_ms"] = (now - job.data.at("started_at_home").get<Time>()).count();
  job.data["downtime_ms"] = (now - job.data.at("down_since").get<Time>()).count();
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

}  // namespace rekindle
