// The volumes of a guest's disk, and its root and boot file systems, ready to be read and changed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "guest/ext4_volume.h"
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

// One thread.
class GuestDisk {
 public:
  // Replays the journals of the root and boot file systems (other volumes are not written to). `disk`
  // outlives this. `failed_precondition`: no root file system that can be changed here; says what was found
  // instead.
  static Result<GuestDisk> open(BlockTarget& disk);

  const PartitionTable& table() const { return table_; }
  const std::vector<GuestVolume>& volumes() const { return volumes_; }
  Ext4Volume& root() { return *root_; }
  // The file system that holds kernels and initrds, and the path of its folder there: "/boot", or "/" of its
  // own volume.
  Ext4Volume& boot() { return boot_ ? *boot_ : *root_; }
  std::string boot_path(const std::string& name) const { return (boot_ ? "/" : "/boot/") + name; }
  std::uint64_t journal_blocks_replayed() const { return journal_blocks_replayed_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Writes what is pending.
  Result<> close();

 private:
  Result<> add_volumes(BlockTarget& disk);
  Result<> find_root();
  Result<> find_boot();
  Result<std::unique_ptr<Ext4Volume>> open_volume(GuestVolume& volume);
  std::string inventory() const;

  PartitionTable table_;
  std::vector<GuestVolume> volumes_;
  std::size_t root_index_ = 0;
  std::unique_ptr<Ext4Volume> root_;
  std::unique_ptr<Ext4Volume> boot_;
  std::uint64_t journal_blocks_replayed_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace rekindle
