#include "protect/firmware_variables.h"

#include <algorithm>

#include "base/log.h"
#include "vault/format.h"

namespace rekindle {

namespace {

constexpr std::size_t length_bytes = 4;
// One size for all: a disk that shrinks needs a full backup.
constexpr std::uint64_t disk_bytes = most_firmware_variables_bytes + chunk_bytes;

bool holds_variables(const PointDisk& disk) {
  return disk.id == firmware_variables_disk().id;
}

// Empty: there is no such point, it has none, or they are damaged; a backup is made without them then.
Result<Bytes> variables_of_before(Vault& vault, const std::optional<RecoveryPointId>& before) {
  if (!before) return Bytes();
  auto kept = stored_firmware_variables(vault, *before);
  const bool is_gone = !kept.ok() && (kept.error().code() == ErrorCode::not_found ||
                                      kept.error().code() == ErrorCode::corrupt);
  if (!is_gone) return kept;
  log::warn("{}", kept.error().message());
  return Bytes();
}

}  // namespace

NewDisk firmware_variables_disk() {
  return {DiskId("firmware_variables"), disk_bytes};
}

bool has_firmware_variables(const VaultPoint& point) {
  return std::ranges::any_of(point.disks, holds_variables);
}

std::vector<PointDisk> disks_of_machine(const VaultPoint& point) {
  std::vector<PointDisk> disks = point.disks;
  std::erase_if(disks, holds_variables);
  return disks;
}

Result<Bytes> firmware_variables_to_store(SnapshotSource& site, const Machine& machine, Vault& vault,
                                          const std::optional<RecoveryPointId>& before) {
  if (machine.firmware != Firmware::uefi) return Bytes();
  auto variables = site.firmware_variables(machine.id);
  if (variables.ok() && variables->size() > most_firmware_variables_bytes)
    variables = error(ErrorCode::corrupt, "they have {}", human_bytes(variables->size()));
  if (variables.ok() || variables.error().code() == ErrorCode::cancelled) return variables;
  Bytes kept = TRY(variables_of_before(vault, before), "the firmware's variables of the backup before");
  if (!kept.empty()) {
    log::warn("{}: the variables of its firmware cannot be read, those of the backup before are kept: {}",
              machine.name, variables.error().message());
  } else {
    log::warn(
        "{}: the variables of its firmware are not in this recovery point; a new VM made of it would start "
        "from EFI/BOOT/BOOTX64.EFI: {}",
        machine.name, variables.error().message());
  }
  return kept;
}

Result<> write_firmware_variables(PointWriter& writer, ByteView variables) {
  CHECK(variables.size() <= most_firmware_variables_bytes);
  const std::size_t chunks = (length_bytes + variables.size() + chunk_bytes - 1) / chunk_bytes;
  Bytes content(chunks * chunk_bytes);
  store_le(content.data(), static_cast<std::uint32_t>(variables.size()));
  copy_bytes(variables, ByteSpan(content).subspan(length_bytes));
  const NewDisk disk = firmware_variables_disk();
  TRY(writer.write(disk.id, 0, content));
  // The parent's may have been longer.
  return writer.zero(disk.id, {content.size(), disk.size_bytes - content.size()});
}

Result<Bytes> stored_firmware_variables(Vault& vault, const RecoveryPointId& point) {
  const VaultPoint stored = TRY(vault.get(point));
  if (!has_firmware_variables(stored)) return Bytes();
  const auto disk = TRY(vault.open_disk(point, firmware_variables_disk().id));
  Bytes head(length_bytes);
  if (disk->size() != disk_bytes) {
    return error(ErrorCode::corrupt, "the disk {} of {} has {} bytes", firmware_variables_disk().id, point,
                 disk->size());
  }
  TRY(disk->read_at(0, head));
  const auto length = load_le<std::uint32_t>(head.data());
  if (length > most_firmware_variables_bytes)
    return error(ErrorCode::corrupt, "the firmware's variables have {} bytes in {}", length, point);
  Bytes variables(length);
  TRY(disk->read_at(length_bytes, variables));
  return variables;
}

}  // namespace rekindle
