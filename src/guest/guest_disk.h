// The volumes of a guest's disk, and its root and boot file systems, ready to be read and changed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "guest/ext4_volume.h"
#include "guest/guest_volumes.h"

namespace rekindle {

// One thread.
class GuestDisk {
 public:
  // Replays the journals of the root and boot file systems (other volumes are not written to). `disk`
  // outlives this. `failed_precondition`: no root file system that can be changed here; says what was found
  // instead.
  static Result<GuestDisk> open(BlockTarget& disk);

  const PartitionTable& table() const { return guest_.table; }
  const std::vector<GuestVolume>& volumes() const { return guest_.volumes; }
  Ext4Volume& root() { return *root_; }
  // The file system that holds kernels and initrds, and the path of its folder there: "/boot", or "/" of its
  // own volume.
  Ext4Volume& boot() { return boot_ ? *boot_ : *root_; }
  std::string boot_path(const std::string& name) const { return (boot_ ? "/" : "/boot/") + name; }
  // The file system that holds a path of the guest ("/boot/initrd.img-..."), and its path there.
  Ext4Volume& volume_of(const std::string& path);
  std::string path_there(const std::string& path) const;
  // The files that were changed or made so far, as the guest names them.
  std::vector<std::string> changed_files() const;
  std::uint64_t journal_blocks_replayed() const { return journal_blocks_replayed_; }
  const std::vector<std::string>& warnings() const { return guest_.warnings; }

  // Writes what is pending.
  Result<> close();

 private:
  Result<> find_root();
  Result<> find_boot();
  Result<std::unique_ptr<Ext4Volume>> open_volume(GuestVolume& volume);

  GuestVolumes guest_;
  std::size_t root_index_ = 0;
  std::unique_ptr<Ext4Volume> root_;
  std::unique_ptr<Ext4Volume> boot_;
  std::uint64_t journal_blocks_replayed_ = 0;
};

}  // namespace rekindle
