#include "recover/bring_home.h"

#include <algorithm>

#include "base/log.h"
#include "vault/restore.h"

namespace rekindle {

namespace {

constexpr std::uint64_t compared_bytes = 64 * kib;

}  // namespace

Result<> SparingTarget::write_at(std::uint64_t offset, ByteView bytes) {
  Bytes present(std::min<std::size_t>(bytes.size(), compared_bytes));
  while (!bytes.empty()) {
    const std::size_t length = std::min<std::size_t>(bytes.size(), compared_bytes);
    const ByteSpan there = ByteSpan(present).first(length);
    TRY(disk_.read_at(offset, there));
    if (!std::equal(there.begin(), there.end(), bytes.begin()))
      TRY(disk_.write_at(offset, bytes.first(length)));
    offset += length;
    bytes = bytes.subspan(length);
  }
  return {};
}

Result<> SparingTarget::write_zeros(std::uint64_t offset, std::uint64_t length) {
  Bytes present(std::min(length, compared_bytes));
  while (length > 0) {
    const std::uint64_t piece = std::min(length, compared_bytes);
    const ByteSpan there = ByteSpan(present).first(static_cast<std::size_t>(piece));
    TRY(disk_.read_at(offset, there));
    const bool zeros = std::all_of(there.begin(), there.end(), [](std::byte b) { return b == std::byte{0}; });
    if (!zeros) TRY(disk_.write_zeros(offset, piece));
    offset += piece;
    length -= piece;
  }
  return {};
}

Result<> CountingTarget::write_at(std::uint64_t offset, ByteView bytes) {
  bytes_written_ += bytes.size();
  return disk_.write_at(offset, bytes);
}

Result<> CountingTarget::write_zeros(std::uint64_t offset, std::uint64_t length) {
  bytes_written_ += length;
  return disk_.write_zeros(offset, length);
}

namespace {

struct Work {
  Extents areas;
  bool compare = false;  // nobody knows what is there
};

Result<Work> work_of(Vault& vault, const DiskAtHome& disk, std::uint64_t size, const RecoveryPointId& base,
                     const RecoveryPointId& point) {
  const Extents whole = {{0, size}};
  if (disk.blank) return Work{whole, false};
  if (!disk.known) return Work{whole, true};
  // A disk that was made larger at home, or rounded up, has changes beyond the end of the source.
  if (base == point) return Work{intersect(disk.areas, whole), false};
  auto differing = vault.diff(base, point, disk.in_point);
  if (!differing.ok() && differing.error().code() == ErrorCode::not_found) {
    log::warn("the recovery point {} is gone; comparing the whole disk {}", base, disk.at_home);
    return Work{whole, true};
  }
  if (!differing.ok()) return differing.error();
  return Work{intersect(unite(disk.areas, *differing), whole), false};
}

Result<> bring_disk(Vault& vault, RestoreTarget& home, const MachineId& machine, const DiskAtHome& disk,
                    const RecoveryPointId& base, const RecoveryPointId& point, BroughtHome& brought,
                    Progress& progress, std::stop_token stop) {
  const auto source = TRY(vault.open_disk(point, disk.in_point));
  const Work work = TRY(work_of(vault, disk, source->size(), base, point));
  progress.bytes_total += total_length(work.areas);
  brought.areas.push_back(work.areas);
  if (work.areas.empty()) return {};
  const auto target = TRY(home.open_disk_to_write(machine, disk.at_home));
  if (target->size() < source->size()) {
    return error(ErrorCode::failed_precondition,
                 "the disk {} at home has {}, the recovery point {}: it was made smaller since; let a new "
                 "machine be made instead ('--to new')",
                 disk.at_home, human_bytes(target->size()), human_bytes(source->size()));
  }
  CountingTarget counting(*target);
  SparingTarget sparing(counting);
  BlockTarget& chosen = work.compare ? static_cast<BlockTarget&>(sparing) : counting;
  RestoreOptions options;
  options.target_is_blank = disk.blank;
  TRY(restore_disk(*source, chosen, work.areas, options, stop,
                   [&](std::uint64_t more, std::uint64_t) { progress.bytes_done += more; }));
  TRY(target->flush());
  brought.bytes_written += counting.bytes_written();
  return {};
}

}  // namespace

Result<BroughtHome> bring_home(Vault& vault, RestoreTarget& home, const MachineId& machine,
                               const std::vector<DiskAtHome>& disks, const RecoveryPointId& base,
                               const RecoveryPointId& point, Progress& progress, std::stop_token stop) {
  BroughtHome brought;
  for (const DiskAtHome& disk : disks)
    TRY(bring_disk(vault, home, machine, disk, base, point, brought, progress, stop), "disk {}",
        disk.at_home);
  return brought;
}

}  // namespace rekindle
