// A recovery point as the vault stores it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/ids.h"
#include "vault/vault_keys.h"

namespace rekindle {

struct PointDisk {
  DiskId id;
  std::uint64_t size_bytes = 0;
  Ref root;  // its id proves the content of the disk: equal ids, equal disks

  // Of the whole content, keyed by the vault; all zeros for a disk of zeros.
  const ContentId& content_id() const { return root.id; }
};

struct PointStats {
  std::uint64_t bytes_read = 0;           // that were written to the point's writer
  std::uint64_t bytes_new_stored = 0;     // by which the vault grew: packs, index, and the point itself
  std::uint64_t chunks_new = 0;           // of 64 KiB
  std::uint64_t chunks_deduplicated = 0;  // the vault had them
  std::uint64_t chunks_unchanged = 0;     // the parent had them at the same position (of those written)
  std::uint64_t chunks_zero = 0;          // of those written
};

struct VaultPoint {
  RecoveryPointId id;
  MachineId machine;
  Time time;
  RecoveryPointId parent;  // empty: written without one. The point does not depend on it
  std::vector<PointDisk> disks;
  std::string metadata;  // opaque, as given (JSON)
  PointStats stats;
};

// `not_found`, naming the disks that there are.
Result<PointDisk> find_disk(const VaultPoint& point, const DiskId& disk);
// Whether machine and content of all disks are the same.
bool same_content(const VaultPoint& a, const VaultPoint& b);

Bytes encode_point(const VaultPoint& point);
// The bytes were authenticated, yet nothing in them is trusted: `corrupt`.
Result<VaultPoint> decode_point(ByteView bytes);

}  // namespace rekindle
