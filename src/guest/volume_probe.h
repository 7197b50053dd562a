// What a partition holds, and the name by which an operating system finds it on any hardware.
#pragma once

#include <string>

#include "disk/block_device.h"

namespace rekindle {

enum class VolumeKind { unknown, ext, swap, fat, ntfs, xfs, btrfs, lvm, luks, raid };

std::string_view to_string(VolumeKind kind);  // for people: "XFS", "LVM physical volume"

struct VolumeIdentity {
  VolumeKind kind = VolumeKind::unknown;
  std::string uuid;   // as in UUID= of fstab; empty if it has none
  std::string label;  // as in LABEL=
};

// Reads the first 70 KiB at most. Looks at signatures only: that the rest is sound is for its reader to find
// out.
Result<VolumeIdentity> probe_volume(BlockSource& volume);

}  // namespace rekindle
