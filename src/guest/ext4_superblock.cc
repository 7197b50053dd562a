#include "guest/ext4_superblock.h"

#include <ext2fs/ext2fs.h>

namespace rekindle {

namespace {
constexpr std::uint64_t superblock_offset = 1024;
constexpr std::size_t magic_at = 56;
constexpr std::size_t state_at = 58;
constexpr std::size_t compat_at = 92;
constexpr std::size_t incompat_at = 96;
constexpr std::size_t ro_compat_at = 100;
constexpr std::size_t journal_inode_at = 224;
constexpr std::size_t block_count_high_at = 336;
constexpr std::size_t checksum_at = 1020;
}  // namespace

Result<Ext4Superblock> Ext4Superblock::read(BlockSource& volume) {
  Ext4Superblock superblock;
  if (volume.size() < superblock_offset + superblock.raw_.size())
    return error(ErrorCode::not_found, "the volume is too small");
  TRY(volume.read_at(superblock_offset, superblock.raw_), "reading the superblock");
  if (superblock.field16(magic_at) != EXT2_SUPER_MAGIC)
    return error(ErrorCode::not_found, "there is no ext4 file system");
  TRY(superblock.check(volume.size()));
  return superblock;
}

Result<> Ext4Superblock::write(BlockTarget& volume) {
  if ((field32(ro_compat_at) & EXT4_FEATURE_RO_COMPAT_METADATA_CSUM) != 0) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(raw_.data());
    store_le<std::uint32_t>(&raw_[checksum_at], ext2fs_crc32c_le(~0U, bytes, checksum_at));
  }
  return volume.write_at(superblock_offset, raw_);
}

// libext2fs allocates memory for as many groups as the superblock claims: bound them by the real size first.
Result<> Ext4Superblock::check(std::uint64_t volume_bytes) const {
  if (field32(24) > 6) return error(ErrorCode::corrupt, "the superblock claims an impossible block size");
  if (block_count() == 0 || block_count() > volume_bytes / block_bytes()) {
    return error(ErrorCode::corrupt,
                 "the superblock claims {} blocks of {} bytes, more than the {} of its volume", block_count(),
                 block_bytes(), human_bytes(volume_bytes));
  }
  constexpr std::uint32_t smallest_group = 256;  // mke2fs(8), option -g
  if (field32(32) < smallest_group)
    return error(ErrorCode::corrupt, "the superblock claims impossibly small block groups");
  if ((field32(incompat_at) & EXT3_FEATURE_INCOMPAT_JOURNAL_DEV) != 0) {
    return error(ErrorCode::failed_precondition, "this is an external ext4 journal, not a file system");
  }
  return {};
}

std::uint32_t Ext4Superblock::block_bytes() const {
  return 1024U << field32(24);
}

std::uint64_t Ext4Superblock::block_count() const {
  const bool wide = (field32(incompat_at) & EXT4_FEATURE_INCOMPAT_64BIT) != 0;
  const std::uint64_t high = wide ? field32(block_count_high_at) : 0;
  return high << 32 | field32(4);
}

bool Ext4Superblock::needs_recovery() const {
  return (field32(incompat_at) & EXT3_FEATURE_INCOMPAT_RECOVER) != 0;
}

void Ext4Superblock::clear_needs_recovery() {
  store_le<std::uint32_t>(&raw_[incompat_at],
                          field32(incompat_at) & ~static_cast<std::uint32_t>(EXT3_FEATURE_INCOMPAT_RECOVER));
}

bool Ext4Superblock::has_external_journal() const {
  return (field32(compat_at) & EXT3_FEATURE_COMPAT_HAS_JOURNAL) != 0 && field32(journal_inode_at) == 0;
}

bool Ext4Superblock::recorded_errors() const {
  return (field16(state_at) & EXT2_ERROR_FS) != 0;
}

bool Ext4Superblock::has_quota() const {
  return (field32(ro_compat_at) & EXT4_FEATURE_RO_COMPAT_QUOTA) != 0;
}

bool Ext4Superblock::has_inline_data() const {
  return (field32(incompat_at) & EXT4_FEATURE_INCOMPAT_INLINE_DATA) != 0;
}

}  // namespace rekindle
