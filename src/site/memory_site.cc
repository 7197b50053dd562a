#include "site/memory_site.h"

#include <algorithm>

namespace rekindle {

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

class FrozenReader final : public BlockSource {
 public:
  FrozenReader(Bytes content, std::uint64_t& counter, std::recursive_mutex& mutex)
      : disk_(std::move(content)), counter_(counter), mutex_(mutex) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    {
      const Lock lock(mutex_);
      counter_ += bytes.size();
    }
    return disk_.read_at(offset, bytes);
  }
  Result<Extents> data_extents(Extent range) override { return disk_.data_extents(range); }

 private:
  MemoryDisk disk_;
  std::uint64_t& counter_;
  std::recursive_mutex& mutex_;
};

std::size_t position_of(const Machine& machine, const DiskId& disk) {
  for (std::size_t i = 0; i < machine.disks.size(); ++i) {
    if (machine.disks[i].id == disk) return i;
  }
  return machine.disks.size();
}

}  // namespace

std::string MemorySite::next_id(std::string_view prefix) {
  return fmt::format("{}-{}", prefix, ++counter_);
}

void MemorySite::add_machine(Machine machine) {
  const Lock lock(mutex_);
  Guest guest;
  for (const DiskSpec& disk : machine.disks) guest.disks.push_back({Bytes(disk.size_bytes), {}});
  const std::string id = machine.id.str();
  guest.machine = std::move(machine);
  guests_[id] = std::move(guest);
}

void MemorySite::lose_machine(const MachineId& id) {
  const Lock lock(mutex_);
  guests_.erase(id.str());
}

void MemorySite::set_firmware_variables(const MachineId& id, Bytes variables) {
  const Lock lock(mutex_);
  guests_.at(id.str()).firmware_variables = std::move(variables);
}

Result<Bytes> MemorySite::firmware_variables(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("firmware_variables"));
  return TRY(find_guest(id))->firmware_variables;
}

void MemorySite::guest_writes(const MachineId& id, std::size_t disk, std::uint64_t offset, ByteView bytes) {
  const Lock lock(mutex_);
  Guest& guest = guests_.at(id.str());
  Disk& target = guest.disks.at(disk);
  CHECK(offset + bytes.size() <= target.content.size());
  std::copy(bytes.begin(), bytes.end(), target.content.begin() + static_cast<std::ptrdiff_t>(offset));
  for (std::uint64_t unit = offset / tracking_unit; unit * tracking_unit < offset + bytes.size(); ++unit) {
    target.changed_in[unit] = guest.epoch;
  }
}

Bytes MemorySite::disk_content(const MachineId& id, std::size_t disk) {
  const Lock lock(mutex_);
  return guests_.at(id.str()).disks.at(disk).content;
}

void MemorySite::reset_change_tracking(const MachineId& id) {
  const Lock lock(mutex_);
  Guest& guest = guests_.at(id.str());
  guest.tracked_since = ++guest.epoch;
}

std::size_t MemorySite::snapshot_count() const {
  const Lock lock(mutex_);
  std::size_t count = 0;
  for (const auto& [id, guest] : guests_) count += guest.snapshots.size();
  return count;
}

Result<SnapshotSource*> MemorySite::datacenter(const std::string&) {
  TRY(before("datacenter"));
  return static_cast<SnapshotSource*>(this);
}

Result<RecoveryTarget*> MemorySite::account(const std::string&) {
  TRY(before("account"));
  return static_cast<RecoveryTarget*>(this);
}

Result<RestoreTarget*> MemorySite::restore_target(const std::string&) {
  TRY(before("restore_target"));
  return static_cast<RestoreTarget*>(this);
}

Result<SnapshotSource*> MemorySite::instances_of(const std::string&) {
  TRY(before("instances_of"));
  return static_cast<SnapshotSource*>(&machines_of_instances_);
}

Result<MemorySite::Guest*> MemorySite::find_guest(const MachineId& id) {
  const auto found = guests_.find(id.str());
  if (found == guests_.end()) return error(ErrorCode::not_found, "the machine {} does not exist", id);
  return &found->second;
}

Result<std::vector<Machine>> MemorySite::machines() {
  const Lock lock(mutex_);
  TRY(before("machines"));
  std::vector<Machine> all;
  for (const auto& [id, guest] : guests_) all.push_back(guest.machine);
  return all;
}

Result<Machine> MemorySite::machine(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("machine"));
  return TRY(find_guest(id))->machine;
}

Result<> MemorySite::enable_change_tracking(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("enable_change_tracking"));
  TRY(find_guest(id))->machine.change_tracking = true;
  return after("enable_change_tracking");
}

MachineSnapshot MemorySite::describe(const Guest& guest, const std::string& id) const {
  const Snapshot& snapshot = guest.snapshots.at(id);
  MachineSnapshot description;
  description.id = MachineSnapshotId(id);
  description.name = snapshot.name;
  description.machine = guest.machine;
  for (std::size_t i = 0; i < guest.machine.disks.size(); ++i) {
    const DiskSpec& disk = guest.machine.disks[i];
    if (!disk.excluded_because.empty()) continue;
    const bool tracked = guest.machine.change_tracking;
    description.disks.push_back(
        {disk.id, disk.size_bytes, tracked ? std::to_string(snapshot.disks[i].epoch) : std::string()});
  }
  return description;
}

Result<MachineSnapshot> MemorySite::create_snapshot(const MachineId& id, const std::string& name) {
  const Lock lock(mutex_);
  TRY(before("create_snapshot"));
  Guest* guest = TRY(find_guest(id));
  ++guest->epoch;
  Snapshot snapshot{name, {}};
  for (const Disk& disk : guest->disks) snapshot.disks.push_back({disk.content, guest->epoch});
  const std::string snapshot_id = next_id("snapshot");
  guest->snapshots.emplace(snapshot_id, std::move(snapshot));
  TRY(after("create_snapshot"));
  return describe(*guest, snapshot_id);
}

Result<std::vector<SnapshotName>> MemorySite::snapshots(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("snapshots"));
  std::vector<SnapshotName> names;
  const Guest* guest = TRY(find_guest(id));
  for (const auto& [snapshot_id, snapshot] : guest->snapshots) {
    names.push_back({MachineSnapshotId(snapshot_id), snapshot.name});
  }
  return names;
}

Result<MachineSnapshot> MemorySite::find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const Lock lock(mutex_);
  TRY(before("find_snapshot"));
  const Guest* guest = TRY(find_guest(id));
  if (guest->snapshots.count(snapshot.str()) == 0) {
    return error(ErrorCode::not_found, "the snapshot {} does not exist", snapshot);
  }
  return describe(*guest, snapshot.str());
}

Result<> MemorySite::remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const Lock lock(mutex_);
  TRY(before("remove_snapshot"));
  TRY(find_guest(id))->snapshots.erase(snapshot.str());
  return after("remove_snapshot");
}

Result<Extents> MemorySite::changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                          const std::string& since_change_id) {
  const Lock lock(mutex_);
  TRY(before("changed_areas"));
  const Guest* guest = TRY(find_guest(snapshot.machine.id));
  const std::size_t position = position_of(guest->machine, disk);
  const std::uint64_t since = std::strtoull(since_change_id.c_str(), nullptr, 10);
  if (position == guest->disks.size() || since < guest->tracked_since) {
    return error(ErrorCode::failed_precondition, "changes since {} are not known any more", since_change_id);
  }
  const std::uint64_t until = guest->snapshots.at(snapshot.id.str()).disks[position].epoch;
  std::vector<Extent> areas;
  for (const auto& [unit, epoch] : guest->disks[position].changed_in) {
    // A unit written again after the snapshot may have been written before it, too: a superset is allowed.
    if (epoch >= since) areas.push_back({unit * tracking_unit, tracking_unit});
  }
  CHECK(until >= since);
  return intersect(normalize(std::move(areas)), {{0, guest->disks[position].content.size()}});
}

Result<std::unique_ptr<BlockSource>> MemorySite::open_disk(const MachineSnapshot& snapshot,
                                                           const DiskId& disk) {
  const Lock lock(mutex_);
  TRY(before("open_disk"));
  const Guest* guest = TRY(find_guest(snapshot.machine.id));
  const auto found = guest->snapshots.find(snapshot.id.str());
  const std::size_t position = position_of(guest->machine, disk);
  if (found == guest->snapshots.end() || position == guest->disks.size()) {
    return error(ErrorCode::not_found, "the snapshot {} does not exist", snapshot.id);
  }
  return std::unique_ptr<BlockSource>(
      std::make_unique<FrozenReader>(found->second.disks[position].content, bytes_read_, mutex_));
}

}  // namespace rekindle
