#include "protect/read_disk.h"

#include <algorithm>

#include "base/log.h"

namespace rekindle {

namespace {

// The instant since which changes of this disk can be asked for; empty: read it whole.
std::string since(const std::optional<RecoveryPoint>& parent, const DiskSnapshot& disk) {
  if (!parent || disk.change_id.empty()) return {};
  const auto before =
      std::find_if(parent->disks.begin(), parent->disks.end(),
                   [&](const RecoveryPointDisk& candidate) { return candidate.disk_id == disk.disk; });
  // A disk that was resized has another map of changes.
  if (before == parent->disks.end() || before->size_bytes != disk.size_bytes) return {};
  return before->change_id;
}

}  // namespace

Result<DiskToRead> plan_disk(SnapshotSource& site, const MachineSnapshot& snapshot, const DiskSnapshot& disk,
                             const std::optional<RecoveryPoint>& parent) {
  DiskToRead plan;
  plan.disk = disk.disk;
  plan.source = TRY(site.open_disk(snapshot, disk.disk));
  const std::string change_id = since(parent, disk);
  if (!change_id.empty()) {
    auto areas = site.changed_areas(snapshot, disk.disk, change_id);
    if (areas.ok()) {
      plan.incremental = true;
      plan.areas = *std::move(areas);
      return plan;
    }
    if (areas.error().code() != ErrorCode::failed_precondition) return areas.error();
    log::warn("disk {}: reading it whole: {}", disk.disk, areas.error().message());
  }
  // With a parent, everything: what is a hole now may have held data then.
  plan.areas = {{0, disk.size_bytes}};
  if (!parent) plan.areas = TRY(plan.source->data_extents({0, disk.size_bytes}));
  return plan;
}

Result<> read_disk(const DiskToRead& disk, PointWriter& writer, Progress& progress, std::stop_token stop) {
  return writer.copy(disk.disk, *disk.source, disk.areas, std::move(stop),
                     [&](std::uint64_t bytes) { progress.bytes_done += bytes; });
}

}  // namespace rekindle
