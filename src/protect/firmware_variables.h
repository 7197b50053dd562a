// The variables of a machine's firmware (UEFI: boot entries, keys of secure boot) in its recovery points.
//
// They lie in the vault beside the machine's disks, as a small disk of the point: encrypted, deduplicated and
// checked as those are. Not in the point's description: that is read whenever points are listed, and lies in
// the catalog, too, while the variables are half a MiB, the same in point after point, and may hold secrets.
//
//   disk "firmware_variables", 4 MiB + 64 KiB: length u32 (little-endian), so many bytes, zeros
//
// They are those of the time at which the backup read them, not of the instant of its snapshot, which has
// none.
// A point without that disk has none: the machine's firmware has none, they could never be read, or an
// earlier version stored it.
#pragma once

#include <optional>
#include <vector>

#include "site/snapshot_source.h"
#include "vault/vault.h"

namespace rekindle {

// To be among the disks of a point that has them.
NewDisk firmware_variables_disk();
bool has_firmware_variables(const VaultPoint& point);
// All others.
std::vector<PointDisk> disks_of_machine(const VaultPoint& point);

// What a backup is to store of them; empty: nothing. If the site cannot read them (it may keep them locked
// while the machine runs), those of `before` are kept, the machine's newest point in the vault; that, and
// that there are none, is logged and no error. `cancelled`; those of the vault, but for `corrupt`.
Result<Bytes> firmware_variables_to_store(SnapshotSource& site, const Machine& machine, Vault& vault,
                                          const std::optional<RecoveryPointId>& before);

// The point was begun with firmware_variables_disk(). At most most_firmware_variables_bytes.
Result<> write_firmware_variables(PointWriter& writer, ByteView variables);

// Empty: the point has none. `corrupt`; `not_found`: there is no such point; those of the vault.
Result<Bytes> stored_firmware_variables(Vault& vault, const RecoveryPointId& point);

}  // namespace rekindle
