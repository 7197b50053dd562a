// What backup needs of a site: machines that can be frozen at an instant and read, and what changed since.
// Implementations: VsphereSite (vmware/), MemorySite (site/memory_site.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "disk/block_device.h"
#include "disk/extent.h"
#include "model/ids.h"
#include "model/machine.h"

namespace rekindle {

constexpr std::uint64_t most_firmware_variables_bytes = 4 * mib;

struct DiskSnapshot {
  DiskId disk;
  std::uint64_t size_bytes = 0;
  // Names this instant of this disk for a later changed_areas(); empty if the site does not track changes of
  // it.
  std::string change_id;
};

struct MachineSnapshot {
  MachineSnapshotId id;
  std::string name;
  Machine machine;  // its configuration at that instant
  std::vector<DiskSnapshot> disks;
};

struct SnapshotName {
  MachineSnapshotId id;
  std::string name;
};

// Any number of threads may call any method. Errors common to all: `unavailable` (no connection; already
// retried as far as it is safe), `unauthenticated` (wrong password; an expired session is renewed without a
// word), `permission_denied` (names the privilege), `not_found` (the machine is gone).
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;

  virtual Result<std::vector<Machine>> machines() = 0;
  virtual Result<Machine> machine(const MachineId& id) = 0;

  // Turns changed block tracking on. A no-op where it is on; `failed_precondition` with the reason where it
  // cannot be (existing snapshots, old hardware, ...): then backups are full.
  virtual Result<> enable_change_tracking(const MachineId& id) = 0;

  // All disks of the machine at one instant. Not idempotent: call snapshots() before to find an earlier one
  // by name.
  virtual Result<MachineSnapshot> create_snapshot(const MachineId& id, const std::string& name) = 0;
  virtual Result<std::vector<SnapshotName>> snapshots(const MachineId& id) = 0;
  // What create_snapshot returned, again. `not_found` when it does not exist.
  virtual Result<MachineSnapshot> find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) = 0;
  // Absent is fine. Close all disks opened from it before.
  virtual Result<> remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) = 0;

  // What may differ between the instant `since_change_id` (of an earlier DiskSnapshot of this disk) and the
  // snapshot. `failed_precondition`: the site does not know any more (tracking was reset, disk was resized,
  // machine was reverted): read everything.
  virtual Result<Extents> changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                        const std::string& since_change_id) = 0;
  // Reads the frozen disk. The source must not outlive this site.
  virtual Result<std::unique_ptr<BlockSource>> open_disk(const MachineSnapshot& snapshot,
                                                         const DiskId& disk) = 0;

  // The variables that the machine's firmware keeps (UEFI: boot entries, keys), as they are now, in a form
  // that only a RestoreTarget of the same kind takes (NewMachine::firmware_variables); at most
  // most_firmware_variables_bytes. Empty: the machine, or the site, has none. An error: it has, and they
  // cannot be read.
  virtual Result<Bytes> firmware_variables(const MachineId&) { return Bytes(); }
};

}  // namespace rekindle
