#include "protect/backup.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/log.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "protect/firmware_variables.h"
#include "protect/read_disk.h"
#include "protect/unrecorded_point.h"

namespace rekindle {

nlohmann::json parameters_of(const BackupRequest& request) {
  return {{"datacenter", request.datacenter},
          {"vault", request.vault},
          {"machine", request.machine},
          {"machine_id", request.machine_id},
          {"full", request.full}};
}

// Only a failback moves a machine: another one of its name, which was never away, is refused by prepare.
Result<std::string> datacenter_of(Catalog& catalog, const BackupPolicy& policy, const std::string& machine) {
  const auto known = catalog.get<ProtectedMachine>(machine);
  if (!known.ok() && known.error().code() != ErrorCode::not_found) return known.error();
  if (!known.ok()) return policy.datacenter;
  const auto failovers = TRY(catalog.list<Failover>(machine));
  const bool was_away = std::any_of(failovers.begin(), failovers.end(), [](const Failover& failover) {
    return failover.kind == FailoverKind::production;
  });
  return was_away ? known->datacenter : policy.datacenter;
}

namespace {

// The name of the job's snapshot at the datacenter, and its token in the ledger.
std::string snapshot_name(const Job& job) {
  return "rekindle-" + job.id.str();
}

RecoveryPointId point_id(const Job& job) {
  return RecoveryPointId(id_by_job("point", job.id));
}

class Backup {
 public:
  Backup(Sites& sites, Vaults& vaults) : sites_(sites), vaults_(vaults) {}

  Result<> prepare(StepContext& context);
  Result<> snapshot(StepContext& context);
  Result<> read(StepContext& context);
  Result<> record(StepContext& context);
  Result<> remove_snapshot(StepContext& context);
  Result<> clean_up(StepContext& context);

 private:
  Result<SnapshotSource*> site(const Job& job) {
    return sites_.datacenter(text(job.parameters, "datacenter"));
  }
  Result<MachineSnapshot> own_snapshot(const Job& job);
  Result<> read_disks(StepContext& context, const MachineSnapshot& frozen, RecoveryPoint& point,
                      PointWriter& writer, const std::optional<RecoveryPoint>& parent);

  Sites& sites_;
  Vaults& vaults_;
};

MachineId machine_id(const Job& job) {
  return MachineId(text(job.parameters, "machine_id"));
}

// The machine's newest point in this vault, if the vault still has it.
Result<std::optional<RecoveryPoint>> newest_point(Catalog& catalog, Vault& vault, const Job& job) {
  auto points = TRY(catalog.list<RecoveryPoint>(text(job.parameters, "machine")));
  std::erase_if(points, [&](const RecoveryPoint& point) {
    return point.vault != text(job.parameters, "vault") || point.machine.id != machine_id(job);
  });
  if (points.empty()) return std::optional<RecoveryPoint>();
  const RecoveryPoint newest = points.back();  // in the order they were made, whatever the clock said
  const auto stored = vault.get(newest.id);
  if (!stored.ok() && stored.error().code() != ErrorCode::not_found) return stored.error();
  if (!stored.ok()) {
    log::warn("the vault does not hold {} any more; reading {} whole", newest.id, newest.machine.name);
    return std::optional<RecoveryPoint>();
  }
  return std::optional(newest);
}

// What cannot be snapshotted is not in the point; without the disk it boots from, the point would be of no
// use.
Result<> refuse_without_boot_disk(const Machine& machine) {
  for (const DiskSpec& disk : machine.disks) {
    if (disk.excluded_because.empty()) continue;
    if (disk.position == 0) {
      return error(ErrorCode::failed_precondition, "{} cannot be backed up: its boot disk {} is left out: {}",
                   machine.name, disk.name, disk.excluded_because);
    }
    log::warn("{}: the disk {} is left out: {}", machine.name, disk.name, disk.excluded_because);
  }
  if (!machine.disks.empty()) return {};
  return error(ErrorCode::failed_precondition, "{} cannot be backed up: it has no disk", machine.name);
}

Result<> Backup::prepare(StepContext& context) {
  Job& job = context.job;
  SnapshotSource* source = TRY(site(job));
  TRY(sweep_finished_jobs(context.catalog, sites_, context.clock, text(job.parameters, "datacenter")));
  const Machine machine = TRY(source->machine(machine_id(job)));
  if (!machine.refused_because.empty()) {
    return error(ErrorCode::failed_precondition, "{} cannot be backed up: {}", machine.name,
                 machine.refused_because);
  }
  const auto known = context.catalog.get<ProtectedMachine>(text(job.parameters, "machine"));
  if (known.ok() && known->datacenter != text(job.parameters, "datacenter")) {
    return error(ErrorCode::failed_precondition,
                 "a machine '{}' of the datacenter {} is protected already; give one of the two another name",
                 known->name, known->datacenter);
  }
  if (known.ok() && known->runs_at == RunsAt::account) {
    return error(
        ErrorCode::failed_precondition,
        "{} was failed over and runs in the account now; end the failover with 'rekindle failover clean-up' "
        "before backing up the machine of the datacenter",
        machine.name);
  }
  TRY(refuse_without_boot_disk(machine));
  if (!machine.change_tracking) {
    const Result<> tracking = source->enable_change_tracking(machine.id);
    if (!tracking.ok() && tracking.error().code() != ErrorCode::failed_precondition) return tracking.error();
    if (!tracking.ok()) log::warn("{}: every backup reads all: {}", machine.name, tracking.error().message());
  }
  job.data["time"] = context.clock.now();
  return {};
}

Result<MachineSnapshot> Backup::own_snapshot(const Job& job) {
  SnapshotSource* source = TRY(site(job));
  const auto names = TRY(source->snapshots(machine_id(job)));
  for (const SnapshotName& snapshot : names) {
    if (snapshot.name == snapshot_name(job)) return source->find_snapshot(machine_id(job), snapshot.id);
  }
  return error(ErrorCode::not_found, "the snapshot {} of {} does not exist", snapshot_name(job),
               text(job.parameters, "machine"));
}

Result<> Backup::snapshot(StepContext& context) {
  Job& job = context.job;
  SnapshotSource* source = TRY(site(job));
  LedgerEntry entry;
  entry.token = snapshot_name(job);
  entry.kind = ResourceKind::machine_snapshot;
  entry.site = text(job.parameters, "datacenter");
  entry.container = machine_id(job).str();
  const MachineSnapshotId id = TRY(make_resource(context, entry, [&]() -> Result<MachineSnapshotId> {
    auto frozen = own_snapshot(job);  // an earlier attempt may have made it
    if (!frozen.ok() && frozen.error().code() == ErrorCode::not_found) {
      job.data["time"] = context.clock.now();
      frozen = source->create_snapshot(machine_id(job), snapshot_name(job));
    }
    if (!frozen.ok()) return frozen.error();
    return frozen->id;
  }));
  job.data["snapshot_id"] = id;
  return {};
}

Result<> Backup::read_disks(StepContext& context, const MachineSnapshot& frozen, RecoveryPoint& point,
                            PointWriter& writer, const std::optional<RecoveryPoint>& parent) {
  SnapshotSource* source = TRY(site(context.job));
  std::vector<DiskToRead> work;
  for (const DiskSnapshot& disk : frozen.disks) {
    work.push_back(TRY(plan_disk(*source, frozen, disk, parent), "disk {}", disk.disk));
    context.progress.bytes_total += total_length(work.back().areas);
    point.disks.push_back({disk.disk, disk.size_bytes, disk.change_id});
    point.full = point.full || !work.back().incremental;
  }
  for (const DiskToRead& disk : work) {
    TRY(read_disk(disk, writer, context.progress, context.stop), "disk {}", disk.disk);
    point.bytes_changed += total_length(disk.areas);
  }
  return {};
}

// Starts the point in the vault. A parent that the vault cannot use (a disk shrank) is dropped, with a full
// read.
Result<std::unique_ptr<PointWriter>> begin(Vault& vault, const RecoveryPoint& point,
                                           const MachineSnapshot& frozen, bool has_variables,
                                           std::optional<RecoveryPoint>& parent) {
  NewPoint start;
  start.id = point.id;
  start.machine = point.machine.id;
  if (parent) start.parent = parent->id;
  for (const DiskSnapshot& disk : frozen.disks) start.disks.push_back({disk.disk, disk.size_bytes});
  if (has_variables) start.disks.push_back(firmware_variables_disk());
  auto writer = vault.begin_point(start);
  if (writer.ok() || !parent || writer.error().code() != ErrorCode::failed_precondition) return writer;
  log::warn("{}: reading it whole: {}", point.machine.name, writer.error().message());
  parent.reset();
  start.parent.reset();
  return vault.begin_point(start);
}

// The disks are frozen, these are not: an attempt that was killed after it stored the point is repeated with
// those that it stored, or the point would be another one, and be taken back.
Result<Bytes> variables_of(SnapshotSource& source, Vault& vault, const RecoveryPoint& point,
                           const std::optional<RecoveryPoint>& newest) {
  const auto stored = vault.get(point.id);
  if (stored.ok()) return stored_firmware_variables(vault, point.id);
  if (stored.error().code() != ErrorCode::not_found) return stored.error();
  std::optional<RecoveryPointId> before;
  if (newest) before = newest->id;
  return firmware_variables_to_store(source, point.machine, vault, before);
}

Result<> Backup::read(StepContext& context) {
  Job& job = context.job;
  SnapshotSource* source = TRY(site(job));
  Vault* vault = TRY(vaults_.vault(text(job.parameters, "vault")));
  const auto frozen =
      TRY(source->find_snapshot(machine_id(job), MachineSnapshotId(text(job.data, "snapshot_id"))));
  const std::optional<RecoveryPoint> newest = TRY(newest_point(context.catalog, *vault, job));
  std::optional<RecoveryPoint> parent;
  if (!job.parameters.value("full", false)) parent = newest;

  RecoveryPoint point;
  point.id = point_id(job);
  point.vault = text(job.parameters, "vault");
  point.datacenter = text(job.parameters, "datacenter");
  point.machine = frozen.machine;
  // Under the name it is protected by, also when the datacenter calls it otherwise now.
  point.machine.name = text(job.parameters, "machine");
  job.data.at("time").get_to(point.time);
  const Bytes variables = TRY(variables_of(*source, *vault, point, newest));
  auto writer = TRY(begin(*vault, point, frozen, !variables.empty(), parent));
  TRY(read_disks(context, frozen, point, *writer, parent));
  if (!variables.empty()) TRY(write_firmware_variables(*writer, variables), "the firmware's variables");
  crash_point("backup/read/written");
  const VaultPoint stored = TRY(writer->commit(point.time, nlohmann::json(point).dump()));
  crash_point("backup/read/committed");
  point.bytes_read = stored.stats.bytes_read;
  point.bytes_stored = stored.stats.bytes_new_stored;
  job.data["point"] = point;
  return {};
}

Result<> Backup::record(StepContext& context) {
  RecoveryPoint point;
  context.job.data.at("point").get_to(point);
  return context.catalog.transaction([&]() -> Result<> {
    TRY(context.catalog.put(point));
    // Where it runs is not this job's to say: a failover may have moved it meanwhile.
    const auto known = context.catalog.get<ProtectedMachine>(text(context.job.parameters, "machine"));
    if (!known.ok() && known.error().code() != ErrorCode::not_found) return known.error();
    ProtectedMachine machine = known.ok() ? *known : ProtectedMachine();
    machine.name = text(context.job.parameters, "machine");
    machine.id = point.machine.id;
    machine.datacenter = point.datacenter;
    machine.vault = point.vault;
    return context.catalog.put(machine);
  });
}

Result<> Backup::remove_snapshot(StepContext& context) {
  const Job& job = context.job;
  SnapshotSource* source = TRY(site(job));
  TRY(source->remove_snapshot(machine_id(job), MachineSnapshotId(text(job.data, "snapshot_id"))));
  return context.catalog.mark_released(snapshot_name(job));
}

Result<> Backup::clean_up(StepContext& context) {
  Result<> swept = sweep_job(context.catalog, sites_, context.clock, context.job.id);
  TRY(forget_unrecorded_point(context.catalog, vaults_, text(context.job.parameters, "vault"),
                              point_id(context.job)),
      "removing its recovery point");
  return swept;
}

}  // namespace

JobProcedure backup_procedure(Sites& sites, Vaults& vaults) {
  auto backup = std::make_shared<Backup>(sites, vaults);
  JobProcedure procedure;
  procedure.kind = JobKind::backup;
  procedure.steps = {
      {"prepare", "backup proxy", "preparing the machine", method_of(backup, &Backup::prepare)},
      {"snapshot", "backup proxy", "freezing the machine", method_of(backup, &Backup::snapshot)},
      {"read", "backup proxy", "reading into the vault", method_of(backup, &Backup::read)},
      {"record", "control plane", "recording the recovery point", method_of(backup, &Backup::record), true},
      {"remove_snapshot", "backup proxy", "thawing the machine", method_of(backup, &Backup::remove_snapshot),
       true},
  };
  procedure.clean_up = method_of(backup, &Backup::clean_up);
  return procedure;
}

}  // namespace rekindle
