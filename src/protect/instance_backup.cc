#include "protect/instance_backup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crash_point.h"
#include "base/log.h"
#include "disk/patched_disk.h"
#include "disk/spliced_disk.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "prepare/machine_conversion.h"
#include "protect/firmware_variables.h"
#include "protect/unrecorded_point.h"

namespace rekindle {

nlohmann::json parameters_of(const InstanceBackupRequest& request) {
  return {{"machine", request.machine}, {"failover_id", request.failover_id}};
}

Result<bool> runs_in_account(Catalog& catalog, const std::string& machine) {
  const auto known = catalog.get<ProtectedMachine>(machine);
  if (known.ok()) return known->runs_at == RunsAt::account;
  if (known.error().code() == ErrorCode::not_found) return false;
  return known.error();
}

Result<std::map<std::string, Failover>> machines_away(Catalog& catalog, const DrPlan& plan,
                                                      const std::vector<std::string>& machines) {
  for (const std::string& machine : machines) TRY(find_machine(plan, machine));
  std::map<std::string, Failover> found;
  const auto failovers = TRY(catalog.list<Failover>());
  for (const Failover& failover : failovers) {
    if (is_chosen(machines, failover.machine) && failover.plan == plan.name && runs_in_production(failover))
      found[failover.machine] = failover;
  }
  if (!found.empty()) return found;
  return error(ErrorCode::failed_precondition, "no machine of the plan {} runs in the account", plan.name);
}

Result<Failover> running_failover(Catalog& catalog, const std::string& machine) {
  const auto failovers = TRY(catalog.list<Failover>(machine));
  for (const Failover& failover : failovers) {
    if (runs_in_production(failover)) return failover;
  }
  return error(ErrorCode::failed_precondition,
               "{} does not run in the account: no production failover of it is running", machine);
}

Result<RecoveryPoint> newest_point_of(Catalog& catalog, const Failover& failover) {
  auto points = TRY(catalog.list<RecoveryPoint>(failover.machine));
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    if (point->account == failover.account && point->time >= failover.started) return *point;
  }
  for (const RecoveryPoint& point : points) {
    if (point.id == failover.recovery_point_id) return point;
  }
  return error(
      ErrorCode::not_found,
      "the recovery point {} that {} was started from is gone: without it nobody knows the machine's "
      "configuration and its disks before the failover",
      failover.recovery_point_id, failover.machine);
}

// The site rounds the sizes of its volumes up.
Result<> check_volume_size(const RecoveryPointDisk& disk, const DiskId& volume, std::uint64_t size_bytes) {
  const std::uint64_t rounded = (disk.size_bytes + gib - 1) / gib * gib;
  if (size_bytes <= std::max(rounded, disk.size_bytes) && size_bytes >= disk.size_bytes) return {};
  return error(
      ErrorCode::failed_precondition,
      "the volume {} has {} now, the disk of the machine {}: a disk that was enlarged in the account "
      "cannot be stored as the same one; make it smaller there, or move its data to another volume",
      volume, human_bytes(size_bytes), human_bytes(disk.size_bytes));
}

Result<InstanceVolumes> volumes_of_disks(const Failover& failover, std::size_t disks,
                                         const std::vector<DiskSnapshot>& volumes) {
  InstanceVolumes found;
  found.added = volumes;
  if (failover.volume_ids.size() != disks) {  // launched by an earlier version
    if (volumes.size() < disks) {
      return error(ErrorCode::failed_precondition, "the instance {} has {} volumes, the machine {} disks",
                   failover.instance_id, volumes.size(), disks);
    }
    const auto added = found.added.begin() + static_cast<std::ptrdiff_t>(disks);
    found.of_disks.assign(found.added.begin(), added);
    found.added.erase(found.added.begin(), added);
    return found;
  }
  for (const std::string& id : failover.volume_ids) {
    const auto volume = std::find_if(found.added.begin(), found.added.end(),
                                     [&](const DiskSnapshot& one) { return one.disk.str() == id; });
    if (volume == found.added.end()) {
      return error(
          ErrorCode::failed_precondition,
          "the volume {} that {} was launched with is not there any more: attach it to the instance {} "
          "again; another one in its place cannot be told from a foreign one",
          id, failover.machine, failover.instance_id);
    }
    found.of_disks.push_back(*volume);
    found.added.erase(volume);
  }
  return found;
}

namespace {

std::string snapshot_name(const Job& job) {
  return "rekindle-" + job.id.str();
}

RecoveryPointId point_id(const Job& job) {
  return RecoveryPointId(id_by_job("point", job.id));
}

std::string user_of(const Failover& failover) {
  return "failover:" + failover.id;
}

// One disk of the instance as it is to be stored, and where it may differ from the parent.
struct DiskToStore {
  DiskId disk;
  std::string change_id;
  std::unique_ptr<SplicedDisk> source;
  Extents areas;
};

class InstanceBackup {
 public:
  InstanceBackup(Sites& sites, Vaults& vaults) : sites_(sites), vaults_(vaults) {}

  Result<> prepare(StepContext& context);
  Result<> snapshot(StepContext& context);
  Result<> read(StepContext& context);
  Result<> record(StepContext& context);
  Result<> remove_old(StepContext& context);
  Result<> clean_up(StepContext& context);

 private:
  Result<Failover> failover(StepContext& context) {
    return context.catalog.get<Failover>(text(context.job.parameters, "failover_id"));
  }
  Result<std::vector<DiskToStore>> plan(StepContext& context, const Failover& failover,
                                        const RecoveryPoint& parent, const MachineSnapshot& frozen);
  Result<MachineReturn> undo(StepContext& context, const Failover& failover,
                             const std::vector<DiskToStore>& disks);
  Result<MachineReturn> make_fit_for_home(StepContext& context, const Failover& failover,
                                          const std::vector<DiskToStore>& disks);

  Sites& sites_;
  Vaults& vaults_;
};

Result<> refuse_unless_running(const Failover& failover) {
  if (runs_in_production(failover)) return {};
  return error(ErrorCode::failed_precondition, "{} does not run as {} any more", failover.machine,
               failover.instance_id);
}

Result<> InstanceBackup::prepare(StepContext& context) {
  Job& job = context.job;
  const Failover found = TRY(failover(context));
  TRY(refuse_unless_running(found));
  TRY(sweep_finished_jobs(context.catalog, sites_, context.clock, found.account));
  job.data["parent"] = TRY(newest_point_of(context.catalog, found));
  return {};
}

Result<> InstanceBackup::snapshot(StepContext& context) {
  Job& job = context.job;
  const Failover found = TRY(failover(context));
  SnapshotSource* site = TRY(sites_.instances_of(found.account));
  LedgerEntry entry;
  entry.token = snapshot_name(job);
  entry.kind = ResourceKind::instance_snapshot;
  entry.site = found.account;
  entry.container = found.instance_id.str();
  TRY(make_resource(context, entry, [&]() -> Result<MachineSnapshotId> {
    if (!job.data.contains("time")) {  // kept: an attempt that died may have made the snapshot
      job.data["time"] = context.clock.now();
      TRY(context.catalog.save_job(job));
    }
    // Also of an attempt that died: by its name it is made once, and only this waits until it can be read.
    const MachineSnapshot frozen =
        TRY(site->create_snapshot(MachineId(found.instance_id.str()), snapshot_name(job)));
    return frozen.id;
  }));
  return {};
}

// Since when changes of the disk are asked for: the last backup there, else the image that it was made of.
std::string since(const Failover& failover, const RecoveryPoint& parent, std::size_t position) {
  if (!parent.account.empty()) return parent.disks.at(position).change_id;
  return position < failover.disks.size() ? failover.disks[position].image_id.str() : std::string();
}

// Where the parent is not what the site had at that instant: the conversion is undone in it.
Extents undone_areas(const Failover& failover, const RecoveryPoint& parent) {
  std::vector<Extent> areas;
  if (!parent.account.empty()) {
    for (const std::uint64_t index : parent.disks.front().undone_blocks)
      areas.push_back({index * image_block_bytes, image_block_bytes});
  } else {
    for (const ConvertedBlock& block : failover.overlay)
      areas.push_back({block.index * image_block_bytes, image_block_bytes});
  }
  return normalize(std::move(areas));
}

Result<Extents> changed_areas(SnapshotSource& site, const MachineSnapshot& frozen, const DiskSnapshot& disk,
                              const std::string& change_id) {
  const Extents whole = {{0, disk.size_bytes}};
  if (change_id.empty()) return whole;
  auto areas = site.changed_areas(frozen, disk.disk, change_id);
  if (areas.ok() || areas.error().code() != ErrorCode::failed_precondition) return areas;
  log::warn("{}: reading it whole and comparing: {}", disk.disk, areas.error().message());
  return whole;
}

Result<std::vector<DiskToStore>> InstanceBackup::plan(StepContext& context, const Failover& failover,
                                                      const RecoveryPoint& parent,
                                                      const MachineSnapshot& frozen) {
  SnapshotSource* site = TRY(sites_.instances_of(failover.account));
  Vault* vault = TRY(vaults_.vault(parent.vault));
  const InstanceVolumes volumes = TRY(volumes_of_disks(failover, parent.disks.size(), frozen.disks));
  for (const DiskSnapshot& volume : volumes.added)
    log::warn("{}: the volume {} was added in the account and is left out", failover.machine, volume.disk);
  std::vector<DiskToStore> disks;
  for (std::size_t i = 0; i < parent.disks.size(); ++i) {
    const DiskSnapshot& volume = volumes.of_disks[i];
    TRY(check_volume_size(parent.disks[i], volume.disk, volume.size_bytes));
    DiskToStore disk;
    disk.disk = parent.disks[i].disk_id;
    disk.change_id = volume.change_id;
    disk.areas = TRY(changed_areas(*site, frozen, volume, since(failover, parent, i)), "{}", volume.disk);
    if (i == 0) disk.areas = unite(disk.areas, undone_areas(failover, parent));
    auto before = TRY(vault->open_disk(parent.id, disk.disk), "opening {}", parent.id);
    auto now = TRY(site->open_disk(frozen, volume.disk), "opening the snapshot of {}", volume.disk);
    disk.areas = intersect(disk.areas, {{0, before->size()}});
    disk.source = std::make_unique<SplicedDisk>(std::move(before), std::move(now), disk.areas);
    context.progress.bytes_total += total_length(disk.areas);
    disks.push_back(std::move(disk));
  }
  return disks;
}

Result<MachineReturn> InstanceBackup::make_fit_for_home(StepContext& context, const Failover& failover,
                                                        const std::vector<DiskToStore>& disks) {
  SplicedDisk& boot_disk = *disks.front().source;
  if (failover.born_there) {
    std::vector<BlockSource*> data_disks;
    for (std::size_t i = 1; i < disks.size(); ++i) data_disks.push_back(disks[i].source.get());
    return adapt_machine(boot_disk, data_disks);
  }
  const auto parent = context.job.data.at("parent").get<RecoveryPoint>();
  Vault* vault = TRY(vaults_.vault(parent.vault));
  MachineDisks before;
  for (const RecoveryPointDisk& disk : parent.disks) {
    auto opened = vault->open_disk(failover.recovery_point_id, disk.disk_id);
    if (!opened.ok() && opened.error().code() != ErrorCode::not_found) return opened.error();
    if (opened.ok()) before.push_back(std::move(*opened));
  }
  if (before.size() == parent.disks.size()) return return_machine(boot_disk, before);
  return error(
      ErrorCode::failed_precondition,
      "the recovery point {} that it was started from is gone: nobody knows what the conversion changed",
      failover.recovery_point_id);
}

// Why the guest is to be stored with its conversion; empty: what failed is to be tried again, or said.
std::string why_as_it_is(const Error& error, const std::string& vault) {
  if (cannot_be_converted(error)) return error.message();
  if (error.code() != ErrorCode::corrupt) return {};
  return fmt::format(
      "the vault is damaged where the machine as it left is: {}; 'rekindle vault check {} --data' names all "
      "that is hit, and objects can be put back from a copy of the vault",
      error.message(), vault);
}

// A guest that cannot be read any more, or of which the vault has not all, is stored as it is: what it wrote
// in the account is safe, and the report says what home would need. Storing needs only what changed of the
// bytes; what is damaged of the others was damaged in the parent, too.
Result<MachineReturn> InstanceBackup::undo(StepContext& context, const Failover& failover,
                                           const std::vector<DiskToStore>& disks) {
  Result<MachineReturn> returned = make_fit_for_home(context, failover, disks);
  if (returned.ok()) return returned;
  const auto parent = context.job.data.at("parent").get<RecoveryPoint>();
  const std::string why = why_as_it_is(returned.error(), parent.vault);
  if (why.empty()) return returned;
  log::warn("{}: its conversion for the account is not undone: {}", failover.machine, why);
  MachineReturn as_it_is;
  as_it_is.report = {{"not_undone", why}};
  return as_it_is;
}

std::vector<std::uint64_t> indexes_of(const PatchedDisk::Blocks& blocks) {
  std::vector<std::uint64_t> indexes;
  for (const auto& [index, content] : blocks) indexes.push_back(index);
  return indexes;
}

Extents areas_of(const PatchedDisk::Blocks& blocks, std::uint64_t size) {
  std::vector<Extent> areas;
  for (const auto& [index, content] : blocks) areas.push_back({index * image_block_bytes, image_block_bytes});
  return intersect(normalize(std::move(areas)), {{0, size}});
}

Result<> InstanceBackup::read(StepContext& context) {
  Job& job = context.job;
  const Failover found = TRY(failover(context));
  const auto parent = job.data.at("parent").get<RecoveryPoint>();
  Vault* vault = TRY(vaults_.vault(parent.vault));
  SnapshotSource* site = TRY(sites_.instances_of(found.account));
  const MachineSnapshot frozen =
      TRY(site->find_snapshot(MachineId(found.instance_id.str()), MachineSnapshotId(snapshot_name(job))));
  const auto disks = TRY(plan(context, found, parent, frozen));
  const MachineReturn returned = TRY(undo(context, found, disks));

  RecoveryPoint point = parent;  // its machine, vault, datacenter
  point.id = point_id(job);
  point.account = found.account;
  point.full = false;
  point.legal_hold.clear();
  point.disks.clear();
  point.bytes_changed = 0;
  job.data.at("time").get_to(point.time);
  NewPoint start{point.id, parent.machine.id, parent.id, {}};
  for (const DiskToStore& disk : disks) start.disks.push_back({disk.disk, disk.source->size()});
  const VaultPoint before = TRY(vault->get(parent.id), "opening {}", parent.id);
  // Not written: as in the parent. Those of the instance are of no use at home.
  if (has_firmware_variables(before)) start.disks.push_back(firmware_variables_disk());
  const auto writer = TRY(vault->begin_point(start));
  for (const DiskToStore& disk : disks) {
    const bool is_boot_disk = &disk == &disks.front();
    const PatchedDisk::Blocks none;
    const PatchedDisk::Blocks& blocks = is_boot_disk ? returned.blocks : none;
    PatchedDisk content(*disk.source, blocks, image_block_bytes);
    const Extents areas = unite(disk.areas, areas_of(blocks, disk.source->size()));
    TRY(writer->copy(disk.disk, content, areas, context.stop,
                     [&](std::uint64_t bytes) { context.progress.bytes_done += bytes; }),
        "disk {}", disk.disk);
    point.bytes_changed += total_length(disk.areas);
    point.disks.push_back({disk.disk, disk.source->size(), disk.change_id, indexes_of(blocks)});
  }
  crash_point("instance_backup/read/written");
  const VaultPoint stored = TRY(writer->commit(point.time, nlohmann::json(point).dump()));
  crash_point("instance_backup/read/committed");
  point.bytes_read = 0;
  for (const DiskToStore& disk : disks) point.bytes_read += disk.source->bytes_of_other();
  point.bytes_stored = stored.stats.bytes_new_stored;
  job.data["point"] = point;
  job.data["undone"] = returned.report;
  return {};
}

// The snapshot that the parent was made of is not needed any more, once the new one is.
Result<> InstanceBackup::record(StepContext& context) {
  const auto point = context.job.data.at("point").get<RecoveryPoint>();
  return context.catalog.transaction([&]() -> Result<> {
    const Failover found = TRY(failover(context));
    // It came home, or was ended, meanwhile: this point must not come after those of home.
    TRY(refuse_unless_running(found));
    const auto ledger = TRY(context.catalog.ledger());
    std::vector<std::string> old;
    for (const LedgerEntry& entry : ledger) {
      const bool replaced = entry.kind == ResourceKind::instance_snapshot &&
                            entry.in_use_by == user_of(found) && entry.token != snapshot_name(context.job);
      if (!replaced) continue;
      TRY(context.catalog.mark_used(entry.token, ""));
      old.push_back(entry.job_id.str());
    }
    if (!old.empty()) context.job.data["old_jobs"] = old;
    TRY(context.catalog.mark_used(snapshot_name(context.job), user_of(found)));
    TRY(context.catalog.put(point));
    return context.catalog.save_job(context.job);
  });
}

// The point is safe: what cannot be removed yet is for the next sweep.
Result<> InstanceBackup::remove_old(StepContext& context) {
  const auto old = context.job.data.value("old_jobs", std::vector<std::string>());
  for (const std::string& job : old) {
    const Result<> swept = sweep_job(context.catalog, sites_, context.clock, JobId(job));
    if (!swept.ok()) log::warn("not all of {} could be removed yet: {}", job, swept.error().message());
  }
  return {};
}

Result<> InstanceBackup::clean_up(StepContext& context) {
  Result<> swept = sweep_job(context.catalog, sites_, context.clock, context.job.id);
  crash_point("instance_backup/clean_up/swept");
  if (context.job.data.contains("parent")) {
    const auto parent = context.job.data.at("parent").get<RecoveryPoint>();
    TRY(forget_unrecorded_point(context.catalog, vaults_, parent.vault, point_id(context.job)));
  }
  return swept;
}

}  // namespace

JobProcedure instance_backup_procedure(Sites& sites, Vaults& vaults) {
  auto backup = std::make_shared<InstanceBackup>(sites, vaults);
  JobProcedure procedure;
  procedure.kind = JobKind::instance_backup;
  procedure.steps = {
      {"prepare", "AWS proxy", "finding what to build upon", method_of(backup, &InstanceBackup::prepare)},
      {"snapshot", "AWS proxy", "freezing the instance", method_of(backup, &InstanceBackup::snapshot)},
      {"read", "AWS proxy", "reading into the vault", method_of(backup, &InstanceBackup::read)},
      {"record", "control plane", "recording the recovery point", method_of(backup, &InstanceBackup::record),
       true},
      {"remove_old", "AWS proxy", "removing the last snapshot",
       method_of(backup, &InstanceBackup::remove_old), true},
  };
  procedure.clean_up = method_of(backup, &InstanceBackup::clean_up);
  return procedure;
}

}  // namespace rekindle
