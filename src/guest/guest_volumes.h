// The volumes of a guest's disk: its partitions, and the linear logical volumes in them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "guest/partition_table.h"
#include "guest/volume_probe.h"
#include "guest/volume_view.h"

namespace rekindle {

struct GuestVolume {
  int partition = 0;           // 0: a logical volume, or a disk without partitions
  std::string logical_volume;  // "vg0/root"; empty: a partition
  bool efi_system = false;
  VolumeIdentity identity;
  std::unique_ptr<VolumeView> view;

  std::string name() const;  // for people: "partition 2", "logical volume vg0/root"
};

struct GuestVolumes {
  PartitionTable table;
  std::vector<GuestVolume> volumes;
  std::vector<std::string> warnings;

  std::string inventory() const;  // "partition 1: ext4, partition 2: XFS"
};

// `disk` outlives what is returned, which reads it and writes to it only through the views. `corrupt`.
Result<GuestVolumes> read_guest_volumes(BlockTarget& disk);

}  // namespace rekindle
