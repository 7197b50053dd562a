// The VM at home: freed, or made; frozen, to ask what was written to it.
#include <algorithm>

#include "base/log.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "protect/firmware_variables.h"
#include "recover/failback_destination.h"
#include "recover/failback_steps.h"

namespace rekindle {

namespace {

nlohmann::json change_ids_of(const MachineSnapshot& frozen) {
  nlohmann::json ids = nlohmann::json::object();
  for (const DiskSnapshot& disk : frozen.disks) ids[disk.disk.str()] = disk.change_id;
  return ids;
}

// Below that, the last pass may write it.
constexpr std::uint64_t few_bytes = 64 * mib;

// What was written to the disk since, and is not of `ours`, is to be written again.
Result<> add_changes(SnapshotSource& site, const MachineSnapshot& frozen, const std::string& since,
                     const Extents& ours, DiskAtHome& disk) {
  if (!disk.known) return {};  // its whole content is to be compared, or written
  if (since.empty()) {
    disk.known = false;
    return {};
  }
  const auto areas = site.changed_areas(frozen, disk.at_home, since);
  if (!areas.ok() && areas.error().code() != ErrorCode::failed_precondition) return areas.error();
  if (!areas.ok()) {
    log::warn("disk {}: comparing it whole: {}", disk.at_home, areas.error().message());
    disk.known = false;
    return {};
  }
  disk.areas = unite(disk.areas, subtract(*areas, ours));
  return {};
}

bool takes_long(const std::vector<DiskAtHome>& disks) {
  return std::any_of(disks.begin(), disks.end(), [](const DiskAtHome& disk) {
    return !disk.known || total_length(disk.areas) > few_bytes;
  });
}

// What the firmware of a machine made anew is to know. Without it the machine starts all the same, from where
// any firmware looks.
Result<Bytes> saved_variables(Vault& vault, const RecoveryPoint& left) {
  if (left.machine.firmware != Firmware::uefi) return Bytes();
  auto variables = stored_firmware_variables(vault, left.id);
  if (!variables.ok() && variables.error().transient()) return variables;
  if (variables.ok() && !variables->empty()) return variables;
  log::warn(
      "{}: its new VM starts from EFI/BOOT/BOOTX64.EFI: the variables of its firmware are not known ({})",
      left.machine.name,
      variables.ok() ? fmt::format("they are not in {}", left.id) : variables.error().message());
  return Bytes();
}

}  // namespace

// A snapshot of the VM at home, found again after a crash by its name.
Result<MachineSnapshotId> Failback::freeze_home(StepContext& context, const std::string& name) {
  const Job& job = context.job;
  SnapshotSource* site = TRY(machines(job));
  LedgerEntry entry;
  entry.token = name;
  entry.kind = ResourceKind::machine_snapshot;
  entry.site = text(job.data, "datacenter");
  entry.container = home_of(job).str();
  return make_resource(context, entry, [&]() -> Result<MachineSnapshotId> {
    const MachineSnapshot frozen = TRY(snapshot_named(*site, home_of(job), name));
    return frozen.id;
  });
}

Result<> Failback::thaw_home(StepContext& context, const std::string& name, const MachineSnapshotId& id) {
  SnapshotSource* site = TRY(machines(context.job));
  TRY(site->remove_snapshot(home_of(context.job), id));
  return context.catalog.mark_released(name);
}

// Those of this job that a crash or a lost answer left: no disk is written below a snapshot.
Result<> Failback::thaw_leftovers(StepContext& context) {
  const Job& job = context.job;
  SnapshotSource* site = TRY(machines(job));
  const auto snapshots = TRY(site->snapshots(home_of(job)));
  for (const SnapshotName& snapshot : snapshots) {
    if (snapshot.name.starts_with(failback_token(job, "")))
      TRY(thaw_home(context, snapshot.name, snapshot.id));
  }
  return {};
}

// What `see` finds may be kept in job.data only after this returned: a step that is done again must thaw.
Result<> Failback::look_at_frozen(StepContext& context, std::string_view what, const Look& see) {
  const Job& job = context.job;
  SnapshotSource* site = TRY(machines(job));
  const std::string name = failback_token(job, what);
  const MachineSnapshotId id = TRY(freeze_home(context, name));
  const MachineSnapshot frozen = TRY(site->find_snapshot(home_of(job), id));
  TRY(see(*site, frozen));
  return thaw_home(context, name, id);
}

// What others wrote since the last look is added to what is to be written.
Result<> Failback::look_again(StepContext& context, std::string_view what) {
  Job& job = context.job;
  auto disks = job.data.at("disks").get<std::vector<DiskAtHome>>();
  const nlohmann::json before = job.data.value("looked", nlohmann::json::object());
  nlohmann::json now;
  TRY(look_at_frozen(context, what, [&](SnapshotSource& site, const MachineSnapshot& frozen) -> Result<> {
    for (DiskAtHome& disk : disks)
      TRY(add_changes(site, frozen, text(before, disk.at_home.str().c_str()), {}, disk), "disk {}",
          disk.at_home);
    now = change_ids_of(frozen);
    return {};
  }));
  job.data["disks"] = disks;
  job.data["looked"] = std::move(now);
  return context.catalog.save_job(job);
}

// What the pass wrote itself is not to be found by the next look; what others wrote before it, elsewhere, is
// for the next pass, as is what change tracking, which is coarse, says beside it.
Result<> Failback::note_written(StepContext& context, std::vector<DiskAtHome>& disks,
                                const std::vector<Extents>& written) {
  Job& job = context.job;
  // While the service is away nothing waits: a look that comes after a crash finds this pass, too.
  if (is_rehearsal(job) || job.data.contains("down_since")) return {};
  const nlohmann::json before = job.data.value("looked", nlohmann::json::object());
  nlohmann::json now;
  const std::string what = fmt::format("after-{}", job.data.at("passes").size() + 1);
  TRY(look_at_frozen(context, what, [&](SnapshotSource& site, const MachineSnapshot& frozen) -> Result<> {
    for (std::size_t i = 0; i < disks.size(); ++i) {
      const std::string since = text(before, disks[i].at_home.str().c_str());
      if (!since.empty()) TRY(add_changes(site, frozen, since, written.at(i), disks[i]));
    }
    now = change_ids_of(frozen);
    return {};
  }));
  job.data["looked"] = std::move(now);
  return {};
}

// Between two processes of this job anybody may have switched the VM on.
Result<> Failback::take_home_again(StepContext& context) {
  Job& job = context.job;
  if (is_rehearsal(job) || job.data.value("home_held_by", std::uint64_t{0}) == job.fencing) return {};
  RestoreTarget* target = TRY(home(job));
  TRY(target->power_off(home_of(job)));
  TRY(thaw_leftovers(context));
  if (job.data.contains("looked")) TRY(look_again(context, fmt::format("again-{}", job.fencing)));
  job.data["home_held_by"] = job.fencing;
  return context.catalog.save_job(job);
}

// The VM of before may run: somebody switched it on again, or its host did. What it wrote since the failover
// is given up, as the plan's owner was told. What is refused is refused before that.
Result<> Failback::free_original(StepContext& context) {
  Job& job = context.job;
  SnapshotSource* site = TRY(machines(job));
  RestoreTarget* target = TRY(home(job));
  const auto snapshots = TRY(site->snapshots(home_of(job)));
  for (const SnapshotName& snapshot : snapshots) {
    if (snapshot.name.starts_with(failback_token(job, ""))) continue;
    return error(
        ErrorCode::failed_precondition,
        "the VM in the datacenter has a snapshot ('{}'), so that its disks cannot be written: remove "
        "its snapshots, or let a new VM be made ('--to new')",
        snapshot.name);
  }
  const RecoveryPoint left = TRY(base(context));
  const Machine original = TRY(site->machine(home_of(job)));
  TRY(check_disks_at_home(original.disks, left));
  if (snapshots.empty()) TRY(target->check_writable(home_of(job)));
  TRY(target->power_off(home_of(job)));
  std::vector<DiskAtHome> disks;
  nlohmann::json looked;
  TRY(look_at_frozen(context, "look", [&](SnapshotSource&, const MachineSnapshot& frozen) -> Result<> {
    disks = TRY(look_at_home(*site, home_of(job), frozen.id, left));
    looked = change_ids_of(frozen);
    return {};
  }));
  job.data["looked"] = std::move(looked);
  job.data["disks"] = disks;
  job.data["home_held_by"] = job.fencing;
  return {};
}

Result<> Failback::make_new(StepContext& context) {
  Job& job = context.job;
  SnapshotSource* site = TRY(machines(job));
  RestoreTarget* target = TRY(home(job));
  const RecoveryPoint left = TRY(base(context));
  const DrPlan of_plan = TRY(plan(context));
  const std::string token = failback_token(job, "machine");
  NewMachine wanted = TRY(new_machine_of(of_plan, left, failback_request_of(job),
                                         job.data.value("original_is_there", false), token));
  Vault* vault = TRY(parts_.vaults.vault(left.vault));
  wanted.firmware_variables = TRY(saved_variables(*vault, left), "the firmware's variables");
  LedgerEntry entry;
  entry.token = token;
  entry.kind = ResourceKind::restored_machine;
  entry.site = text(job.data, "datacenter");
  job.data["machine_id"] =
      TRY(make_resource(context, entry, [&] { return target->create_machine(wanted); }), "making the VM");
  const Machine made = TRY(site->machine(home_of(job)));
  if (made.disks.size() != left.disks.size())
    return error(ErrorCode::internal, "the new VM has {} disks, {} were asked for", made.disks.size(),
                 left.disks.size());
  std::vector<DiskAtHome> disks;
  for (std::size_t i = 0; i < left.disks.size(); ++i)
    disks.push_back({made.disks[i].id, wanted.machine.disks.at(i).id, false, {}, true});
  if (!is_rehearsal(job)) {  // it has the same addresses
    TRY(switch_off_original(context.catalog, parts_.sites, job, text(job.data, "datacenter"), home_of(job)));
  }
  job.data["disks"] = disks;
  job.data["home_held_by"] = job.fencing;
  return {};
}

Result<> Failback::prepare(StepContext& context) {
  Job& job = context.job;
  if (job.data.contains("disks")) return {};
  TRY(sweep_finished_jobs(context.catalog, parts_.sites, context.clock, text(job.data, "datacenter")));
  return job.data.value("makes_new", false) ? make_new(context) : free_original(context);
}

// What is written from here on, and later by the guest, is what the next backup at home reads. And what
// others wrote to the VM while this job waited is put right while the service is still there.
Result<> Failback::mark(StepContext& context) {
  Job& job = context.job;
  if (is_rehearsal(job) || job.data.contains("marks")) return {};
  RestoreTarget* target = TRY(home(job));
  TRY(target->power_off(home_of(job)));
  TRY(look_again(context, "mark"));
  const nlohmann::json marks = job.data.at("looked");
  if (takes_long(job.data.at("disks").get<std::vector<DiskAtHome>>())) {
    log::warn("{}: its VM at home was written to meanwhile, or may have been: writing it again", job.subject);
    TRY(pass(context), "writing again what others wrote");
  }
  job.data["marks"] = marks;
  return {};
}

}  // namespace rekindle
