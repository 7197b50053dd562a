#include "recover/failback_destination.h"

#include <algorithm>

#include "base/log.h"
#include "model/json.h"
#include "recover/left_running.h"

namespace rekindle {

Result<Destination> find_destination(Catalog& catalog, Sites& sites, const DrPlan& plan,
                                     const FailbackRequest& request) {
  const PlanMachine* machine = TRY(find_machine(plan, request.machine));
  const auto known = TRY(catalog.get<ProtectedMachine>(request.machine));
  const FailbackSettings settings = failback_settings_of(plan, *machine);
  Destination destination;
  destination.datacenter = settings.datacenter.empty() ? known.datacenter : settings.datacenter;
  SnapshotSource* site = TRY(sites.datacenter(destination.datacenter));
  const bool may_be_there = destination.datacenter == known.datacenter;
  const auto original = may_be_there ? site->machine(known.id)
                                     : Result<Machine>(error(ErrorCode::not_found, "it was elsewhere"));
  if (!original.ok() && original.error().code() != ErrorCode::not_found) return original.error();
  destination.original_is_there = original.ok();
  if (original.ok()) {
    destination.was_on = original->power != PowerState::off;
    const auto snapshots = TRY(site->snapshots(known.id));
    destination.has_snapshots = !snapshots.empty();
    destination.disks = original->disks;
  }
  const bool wants_new = request.test || request.to == ComeHomeTo::fresh;
  if (original.ok() && !wants_new) destination.machine_id = known.id;
  if (!original.ok() && request.to == ComeHomeTo::original && !request.test) {
    return error(ErrorCode::failed_precondition,
                 "{} is not in the datacenter {} any more; without '--to original' a new VM is made",
                 request.machine, destination.datacenter);
  }
  return destination;
}

Result<NewMachine> new_machine_of(const DrPlan& plan, const RecoveryPoint& point,
                                  const FailbackRequest& request, bool original_is_there,
                                  const std::string& token) {
  const PlanMachine* machine = TRY(find_machine(plan, request.machine));
  const FailbackSettings settings = failback_settings_of(plan, *machine);
  NewMachine wanted;
  wanted.machine = point.machine;
  // Disks that were left out of the backups cannot come home.
  std::erase_if(wanted.machine.disks, [&](const DiskSpec& disk) {
    return std::none_of(point.disks.begin(), point.disks.end(),
                        [&](const RecoveryPointDisk& stored) { return stored.disk_id == disk.id; });
  });
  wanted.token = token;
  wanted.datastore = settings.datastore;
  wanted.networks = settings.networks;
  if (request.test) {
    if (settings.test_network.empty()) {
      return error(ErrorCode::failed_precondition,
                   "the plan {} names no isolated network for rehearsals of {}: set failback.test_network",
                   plan.name, request.machine);
    }
    for (const NicSpec& nic : wanted.machine.nics) wanted.networks[nic.network] = settings.test_network;
    wanted.machine.name += "-rehearsal";
  } else if (original_is_there) {
    wanted.machine.name += "-came-home";
  }
  wanted.keep_mac_addresses = !request.test;
  wanted.keep_ids = !request.test && !original_is_there;
  return wanted;
}

namespace {

const RecoveryPointDisk* disk_of(const RecoveryPoint& point, const DiskId& id) {
  for (const RecoveryPointDisk& disk : point.disks) {
    if (disk.disk_id == id) return &disk;
  }
  return nullptr;
}

}  // namespace

Result<MachineSnapshot> snapshot_named(SnapshotSource& home, const MachineId& machine,
                                       const std::string& name) {
  const auto snapshots = TRY(home.snapshots(machine));
  for (const SnapshotName& snapshot : snapshots) {
    if (snapshot.name == name) return home.find_snapshot(machine, snapshot.id);
  }
  return home.create_snapshot(machine, name);
}

Result<std::vector<DiskAtHome>> look_at_home(SnapshotSource& home, const MachineId& machine,
                                             const MachineSnapshotId& snapshot, const RecoveryPoint& base) {
  const MachineSnapshot frozen = TRY(home.find_snapshot(machine, snapshot));
  std::vector<DiskAtHome> disks;
  for (const DiskSnapshot& disk : frozen.disks) {
    const RecoveryPointDisk* stored = disk_of(base, disk.disk);
    if (stored == nullptr) {
      log::warn("{}: the disk {} is not in the recovery point and is left alone", base.machine.name,
                disk.disk);
      continue;
    }
    DiskAtHome at_home{disk.disk, disk.disk, false, {}, false};
    if (!stored->change_id.empty()) {
      auto areas = home.changed_areas(frozen, disk.disk, stored->change_id);
      if (!areas.ok() && areas.error().code() != ErrorCode::failed_precondition) return areas.error();
      at_home.known = areas.ok();
      if (areas.ok()) at_home.areas = *std::move(areas);
      if (!areas.ok()) log::warn("disk {}: comparing it whole: {}", disk.disk, areas.error().message());
    }
    disks.push_back(std::move(at_home));
  }
  TRY(check_disks_at_home(frozen.machine.disks, base));
  if (disks.size() == base.disks.size()) return disks;
  return error(ErrorCode::failed_precondition,
               "not all the disks of the VM of {} in the datacenter are in its snapshots, so that what they "
               "hold is not known; let a new VM be made instead ('--to new')",
               base.machine.name);
}

Result<> check_disks_at_home(const std::vector<DiskSpec>& at_home, const RecoveryPoint& point) {
  for (const RecoveryPointDisk& disk : point.disks) {
    const auto found = std::find_if(at_home.begin(), at_home.end(),
                                    [&](const DiskSpec& one) { return one.id == disk.disk_id; });
    if (found == at_home.end()) {
      return error(
          ErrorCode::failed_precondition,
          "the VM in the datacenter has not all the disks that {} had ({} is missing): it was changed "
          "since; let a new VM be made instead ('--to new')",
          point.machine.name, disk.disk_id);
    }
    if (found->size_bytes < disk.size_bytes) {
      return error(ErrorCode::failed_precondition,
                   "the disk {} at home has {}, the recovery point {}: it was made smaller since; let a new "
                   "VM be made instead ('--to new')",
                   disk.disk_id, human_bytes(found->size_bytes), human_bytes(disk.size_bytes));
    }
  }
  return {};
}

Result<> switch_off_original(Catalog& catalog, Sites& sites, Job& job, const std::string& datacenter,
                             const MachineId& home) {
  note_none_left_running(job);
  const auto known = TRY(catalog.get<ProtectedMachine>(job.subject));
  // In another datacenter the new VM has the very id of the one of before.
  if (known.id == home && known.datacenter == datacenter) return {};
  const auto site = sites.restore_target(known.datacenter);
  const Result<> off = site.ok() ? (*site)->power_off(known.id) : Result<>(site.error());
  if (off.ok() || (site.ok() && off.error().code() == ErrorCode::not_found)) return {};
  const bool is_lost = !site.ok() || off.error().transient();
  if (known.datacenter == datacenter || !is_lost)
    return Error(off.error()).context("switching the VM of before off ({})", known.id);
  note_left_running(job, known.datacenter, known.id);
  log::warn("{}: {} ({})", job.subject, left_running(job), off.error().message());
  return {};
}

void to_json(nlohmann::json& j, const DiskAtHome& disk) {
  nlohmann::json areas = nlohmann::json::array();
  for (const Extent& area : disk.areas) areas.push_back({area.offset, area.length});
  j = {{"at_home", disk.at_home},
       {"in_point", disk.in_point},
       {"known", disk.known},
       {"areas", std::move(areas)},
       {"blank", disk.blank}};
}

void from_json(const nlohmann::json& j, DiskAtHome& disk) {
  j.at("at_home").get_to(disk.at_home);
  j.at("in_point").get_to(disk.in_point);
  j.at("known").get_to(disk.known);
  j.at("blank").get_to(disk.blank);
  disk.areas.clear();
  for (const auto& area : j.at("areas"))
    disk.areas.push_back({area.at(0).get<std::uint64_t>(), area.at(1).get<std::uint64_t>()});
}

}  // namespace rekindle
