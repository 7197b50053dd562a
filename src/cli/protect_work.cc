#include "cli/protect_work.h"

#include "base/bytes.h"
#include "cli/job_control.h"
#include "protect/backup.h"
#include "protect/instance_backup.h"
#include "protect/replicate.h"

namespace rekindle {

namespace {

// By the id it had when it was first backed up, so that a renamed machine stays the same one; else by its
// name now.
Result<MachineId> find_machine_id(Workplace& workplace, const std::string& datacenter,
                                  const std::string& name) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto known = catalog->get<ProtectedMachine>(name);
  SnapshotSource* site = TRY(workplace.sites().datacenter(datacenter));
  if (known.ok() && known->datacenter == datacenter) {
    const auto same = site->machine(known->id);
    if (same.ok()) return known->id;
    if (same.error().code() != ErrorCode::not_found) return same.error();
    // Gone; it may have been made anew under its name.
  }
  const auto machines = TRY(site->machines());
  for (const Machine& machine : machines) {
    if (machine.name == name || machine.id.str() == name) return machine.id;
  }
  return no_such_machine(datacenter, name, machines);
}

}  // namespace

namespace {

Result<> back_up_instance(Session& session, Workplace& workplace, const std::string& machine) {
  Catalog* catalog = TRY(workplace.catalog());
  const Failover failover = TRY(running_failover(*catalog, machine));
  const InstanceBackupRequest request{machine, failover.id};
  const Job job = TRY(perform_job(session, workplace, JobKind::instance_backup, machine,
                                  parameters_of(request), Unfinished::finish));
  if (session.output.json) session.output.record(job);
  TRY(outcome(job));
  const auto point = job.data.at("point").get<RecoveryPoint>();
  session.output.say(fmt::format(
      "{}: backup of the instance {} in {}: {} read, {} added to the vault. Recovery point {} of {}.",
      machine, failover.instance_id, duration_of(job), human_bytes(point.bytes_read),
      human_bytes(point.bytes_stored), point.id, to_iso8601(point.time)));
  return {};
}

}  // namespace

Result<> back_up(Session& session, Workplace& workplace, const BackupPolicy& policy,
                 const std::string& machine, bool full) {
  Catalog* catalog = TRY(workplace.catalog());
  const bool is_away = TRY(runs_in_account(*catalog, machine));
  if (is_away) return back_up_instance(session, workplace, machine);
  BackupRequest request;
  request.datacenter = TRY(datacenter_of(*catalog, policy, machine));
  request.vault = policy.vault;
  request.machine = machine;
  request.full = full;
  request.machine_id = TRY(find_machine_id(workplace, request.datacenter, machine));
  const Job job = TRY(
      perform_job(session, workplace, JobKind::backup, machine, parameters_of(request), Unfinished::finish));
  if (session.output.json) session.output.record(job);
  TRY(outcome(job));
  const auto point = job.data.at("point").get<RecoveryPoint>();
  session.output.say(
      fmt::format("{}: {} backup in {}: {} read, {} added to the vault. Recovery point {} of {}.", machine,
                  point.full ? "full" : "incremental", duration_of(job), human_bytes(point.bytes_read),
                  human_bytes(point.bytes_stored), point.id, to_iso8601(point.time)));
  return {};
}

Result<> replicate(Session& session, Workplace& workplace, const DrPlan& plan, const std::string& machine) {
  const ReplicateRequest request{plan.name, machine, ""};
  const Job job = TRY(perform_job(session, workplace, JobKind::replicate, machine, parameters_of(request),
                                  Unfinished::finish));
  if (session.output.json) session.output.record(job);
  TRY(outcome(job));
  if (job.data.value("up_to_date", false)) {
    session.output.say(fmt::format("{}: its DR copy is up to date.", machine));
    return {};
  }
  const auto copy = job.data.at("copy").get<DrCopy>();
  std::uint64_t blocks = 0;
  for (std::size_t i = 0; i < copy.disks.size(); ++i) {
    blocks += job.data.value(fmt::format("blocks_put_{}", i), std::uint64_t{0});
  }
  session.output.say(fmt::format("{}: DR copy of {} in {}: {} written and read back.", machine,
                                 to_iso8601(copy.recovery_point_time), duration_of(job),
                                 human_bytes(blocks * image_block_bytes)));
  if (copy.certificate && !copy.certificate->would_boot)
    session.output.say(fmt::format("{}: IT WOULD NOT BOOT: {}", machine, copy.certificate->reason));
  return {};
}

}  // namespace rekindle
