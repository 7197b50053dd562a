// The superblock of ext2/3/4, checked before any library believes it.
// Source: the kernel's Documentation/filesystems/ext4/super.rst.
#pragma once

#include <array>
#include <cstdint>

#include "disk/block_device.h"

namespace rekindle {

class Ext4Superblock {
 public:
  // `not_found` if there is no ext file system; `corrupt` if the superblock cannot be true for a volume of
  // this size; `failed_precondition` for a file system that no one could convert as it is.
  static Result<Ext4Superblock> read(BlockSource& volume);
  // Puts the checksum right, if the file system has checksums, and writes it.
  Result<> write(BlockTarget& volume);

  std::uint32_t block_bytes() const;
  std::uint64_t block_count() const;
  bool needs_recovery() const;
  void clear_needs_recovery();
  bool has_external_journal() const;
  bool recorded_errors() const;
  bool has_quota() const;
  bool has_inline_data() const;

 private:
  Result<> check(std::uint64_t volume_bytes) const;
  std::uint32_t field32(std::size_t offset) const { return load_le<std::uint32_t>(&raw_[offset]); }
  std::uint32_t field16(std::size_t offset) const { return load_le<std::uint16_t>(&raw_[offset]); }

  std::array<std::byte, 1024> raw_{};
};

}  // namespace rekindle
