// A read-only look into a FAT12/16/32 file system: the EFI system partition.
// Source: Microsoft, "FAT: General Overview of On-Disk Format", 1.03.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "disk/block_device.h"

namespace rekindle {

struct FatEntry {
  std::string name;  // the short one, in upper case: "BOOTX64.EFI", "SHIMX64.EFI"
  bool directory = false;
  std::uint32_t first_cluster = 0;
  std::uint32_t size_bytes = 0;
};

// One thread. The file system is hostile input: chains that are loops end.
class FatVolume {
 public:
  // `corrupt` if it is none. `volume` outlives this.
  static Result<FatVolume> open(BlockSource& volume);

  // Of the directory with this path ("EFI/BOOT", any case; "" is the top); `not_found`.
  Result<std::vector<FatEntry>> list(std::string_view path) const;
  Result<bool> has_file(std::string_view path) const;

 private:
  explicit FatVolume(BlockSource& volume) : volume_(&volume) {}
  Result<> parse_boot_sector();
  Result<Bytes> read_chain(std::uint32_t cluster) const;
  Result<std::uint32_t> next_cluster(std::uint32_t cluster) const;
  Result<Bytes> read_top() const;

  BlockSource* volume_;
  unsigned fat_bits_ = 0;
  std::uint64_t cluster_bytes_ = 0;
  std::uint64_t fat_at_ = 0;  // bytes, like all below
  std::uint64_t top_at_ = 0;  // of FAT12/16
  std::uint64_t top_bytes_ = 0;
  std::uint64_t data_at_ = 0;
  std::uint32_t cluster_count_ = 0;
  std::uint32_t top_cluster_ = 0;  // of FAT32
};

}  // namespace rekindle
