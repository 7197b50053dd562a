// Snapshots, their removal, and changed block tracking of a Machine.
#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "sandbox/datacenter/datastore_files.h"
#include "sandbox/datacenter/disk_images.h"
#include "sandbox/datacenter/machine.h"

namespace rekindle::sandbox {

namespace {

std::string uuid_of(const std::string& change_id) {
  return change_id.substr(0, change_id.find('/'));
}

Result<Areas> areas_in_use(const MachineRecord& record, const DiskRecord& disk, const SnapshotRecord* frozen,
                           const MachinePlaces& places) {
  Areas areas = TRY(allocated_areas(places.flat(record, disk.unit())));
  for (const int delta : frozen == nullptr ? record.deltas : record.frozen_deltas(*frozen)) {
    const Areas held = TRY(areas_of_delta(places.delta(disk.unit(), delta)));
    areas = united(areas, held);
  }
  return areas;
}

Result<Areas> changed_until(const DiskRecord& disk, const SnapshotRecord& frozen, const std::string& since) {
  const auto at = std::find_if(frozen.disks.begin(), frozen.disks.end(),
                               [&](const DiskAtSnapshot& entry) { return entry.key == disk.key; });
  if (at == frozen.disks.end() || uuid_of(at->change_id) != uuid_of(disk.tracking.change_id())) {
    return error(ErrorCode::failed_precondition, "changes were not tracked when snapshot {} was made",
                 frozen.number);
  }
  return disk.tracking.changed(since, at->epoch);
}

}  // namespace

std::filesystem::path Machine::layer_path(int unit, int delta) const {
  return delta == 0 ? places_.flat(record(), unit) : places_.delta(unit, delta);
}

Result<int> Machine::create_snapshot(const SnapshotRequest& request) {
  const std::lock_guard lock(operation_);
  TRY(check_unlocked());
  MachineRecord next = record();
  const int below = next.deltas.empty() ? 0 : next.deltas.back();
  const int delta = next.last_delta + 1;
  for (const DiskRecord& disk : next.disks) {
    TRY(make_delta(places_.delta(disk.unit(), delta), layer_path(disk.unit(), below), below == 0));
  }
  if (qemu_) {
    TRY(freeze_running(delta, next));
  } else {
    for (DiskRecord& disk : next.disks) disk.tracking.close_epoch();
  }
  SnapshotRecord snapshot{next.last_snapshot + 1,
                          request.name,
                          request.description,
                          SystemClock().now(),
                          request.quiesce,
                          next.power,
                          delta,
                          {}};
  for (DiskRecord& disk : next.disks) {
    if (next.change_tracking_enabled && !disk.tracking.active()) disk.tracking.begin(random_);
    snapshot.disks.push_back({disk.key, disk.tracking.change_id(), disk.tracking.epoch()});
  }
  next.last_delta = delta;
  next.last_snapshot = snapshot.number;
  next.deltas.push_back(delta);
  next.snapshots.push_back(std::move(snapshot));
  TRY(change_record([&](MachineRecord& record) { record = next; }));
  TRY(write_delta_descriptors(next, places_, delta));
  return next.last_snapshot;
}

// After the freeze the deltas are in use, whatever else fails: then tracking begins anew instead of being
// wrong.
Result<> Machine::freeze_running(int delta, MachineRecord& next) {
  QemuMachine::Freeze freeze{next.deltas.empty() ? 0 : next.deltas.back(), delta, {}, {}, {}};
  for (DiskRecord& disk : next.disks) {
    const int closing = disk.tracking.epoch();
    if (next.change_tracking_enabled && !disk.tracking.active()) disk.tracking.begin(random_);
    freeze.units.push_back(disk.unit());
    freeze.closing.push_back(closing);
    freeze.epochs.push_back(disk.tracking.active() ? closing + 1 : 0);
  }
  TRY(qemu_->freeze(freeze), "freezing the disks of {}", next.name);
  for (std::size_t i = 0; i < next.disks.size(); ++i) {
    if (freeze.closing[i] == 0) continue;
    const auto written = qemu_->take_recording(freeze.units[i], freeze.below, freeze.closing[i]);
    if (written.ok()) {
      next.disks[i].tracking.record(*written);
      next.disks[i].tracking.close_epoch();
    } else {
      log::warn("{}: {}; changes are tracked anew", next.name, written.error().message());
      next.disks[i].tracking.begin(random_);
      TRY(qemu_->start_recording(freeze.units[i], delta, next.disks[i].tracking.epoch()));
    }
  }
  return {};
}

Result<> Machine::remove_snapshot(int number, bool with_children, Merge merge) {
  const std::lock_guard lock(operation_);
  if (record().find_snapshot(number) == nullptr) {
    return error(ErrorCode::not_found, "there is no snapshot {} of {}", number, record().name);
  }
  return remove_snapshots(
      [&](const SnapshotRecord& snapshot) {
        return snapshot.number == number || (with_children && snapshot.number > number);
      },
      merge);
}

Result<> Machine::remove_all_snapshots(Merge merge) {
  const std::lock_guard lock(operation_);
  return remove_snapshots([](const SnapshotRecord&) { return true; }, merge);
}

// As in vSphere, the snapshot is gone first; when the merge fails, its delta stays and consolidation is
// needed.
Result<> Machine::remove_snapshots(const std::function<bool(const SnapshotRecord&)>& leaves, Merge merge) {
  TRY(change_record([&](MachineRecord& next) {
    const auto gone = std::erase_if(next.snapshots, leaves);
    next.consolidation_needed = next.consolidation_needed || gone > 0;
  }));
  if (merge == Merge::fail) return error(ErrorCode::unavailable, "a disk of {} is locked", record().name);
  return merge_unneeded();
}

Result<> Machine::consolidate() {
  const std::lock_guard lock(operation_);
  return merge_unneeded();
}

Result<> Machine::merge_unneeded() {
  const MachineRecord before = record();
  // From the top down: each delta is copied once, not once for each layer below it.
  for (auto delta = before.deltas.rbegin(); delta != before.deltas.rend(); ++delta) {
    if (!before.delta_is_needed(*delta)) TRY(merge_one(*delta), "consolidating {}", before.name);
  }
  TRY(start_recordings());
  return change_record([](MachineRecord& next) { next.consolidation_needed = false; });
}

Result<> Machine::merge_one(int delta) {
  const MachineRecord now = record();
  const auto position = std::find(now.deltas.begin(), now.deltas.end(), delta);
  const int below = position == now.deltas.begin() ? 0 : *(position - 1);
  const bool is_top = position + 1 == now.deltas.end();
  for (const DiskRecord& disk : now.disks) {
    const int unit = disk.unit();
    if (!qemu_) {
      TRY(merge_delta(places_.delta(unit, delta), layer_path(unit, below), below == 0));
      continue;
    }
    const bool present = TRY(qemu_->has_layer(unit, delta));
    if (present) TRY(qemu_->merge(unit, delta, below, is_top, disk.tracking.epoch()));
  }
  TRY(change_record([&](MachineRecord& next) { std::erase(next.deltas, delta); }));
  for (const DiskRecord& disk : now.disks) TRY(remove_file(places_.delta(disk.unit(), delta)));
  return remove_delta_descriptors(now, places_, delta);
}

// A server that died between a disk operation and its record leaves QEMU ahead of the record.
Result<> Machine::reconcile_layers() {
  const MachineRecord now = record();
  if (now.disks.empty()) return {};
  for (const int delta : now.deltas) {
    bool complete = true;
    for (const DiskRecord& disk : now.disks) {
      const bool present = TRY(qemu_->has_layer(disk.unit(), delta));
      complete = complete && present;
    }
    if (!complete) TRY(merge_one(delta));
  }
  const int top = TRY(qemu_->top_delta(now.disks.front().unit()));
  if (top <= now.last_delta) return {};
  return change_record([&](MachineRecord& next) {
    next.deltas.push_back(top);
    next.last_delta = top;
    next.consolidation_needed = true;
  });
}

Result<> Machine::set_change_tracking(bool enabled) {
  const std::lock_guard lock(operation_);
  TRY(check_unlocked());
  const MachineRecord now = record();
  if (now.change_tracking_enabled == enabled) return {};
  if (!enabled && qemu_) TRY(keep_recordings());
  TRY(change_record([&](MachineRecord& next) {
    next.change_tracking_enabled = enabled;
    for (DiskRecord& disk : next.disks) disk.tracking.end();
  }));
  return write_datastore_files(record(), places_);
}

Result<> Machine::reset_change_tracking() {
  const std::lock_guard lock(operation_);
  TRY(check_unlocked());
  if (!record().change_tracking_enabled) return {};
  if (qemu_) TRY(keep_recordings());
  TRY(change_record([&](MachineRecord& next) {
    for (DiskRecord& disk : next.disks) disk.tracking.end();
  }));
  return start_recordings();
}

Result<Areas> Machine::changed_areas(int snapshot, int disk_key, const std::string& change_id) const {
  const MachineRecord now = record();
  const DiskRecord* disk = now.find_disk(disk_key);
  if (disk == nullptr) return error(ErrorCode::invalid_argument, "{} has no disk {}", now.name, disk_key);
  const SnapshotRecord* frozen = snapshot == 0 ? nullptr : now.find_snapshot(snapshot);
  if (snapshot != 0 && frozen == nullptr) {
    return error(ErrorCode::not_found, "there is no snapshot {} of {}", snapshot, now.name);
  }
  if (frozen == nullptr && now.power == PowerState::on) {
    return error(ErrorCode::failed_precondition, "{} is powered on: name a snapshot of it", now.name);
  }
  if (!disk->tracking.active()) {
    return error(ErrorCode::failed_precondition, "changes of {} are not tracked", now.name);
  }
  if (change_id == "*") return areas_in_use(now, *disk, frozen, places_);
  if (frozen == nullptr) return disk->tracking.changed_until_now(change_id);
  return changed_until(*disk, *frozen, change_id);
}

}  // namespace rekindle::sandbox
