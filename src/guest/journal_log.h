// The journal of ext3/ext4 (JBD2) as a list of blocks. Source: the kernel's
// Documentation/filesystems/ext4/journal.rst and include/linux/jbd2.h. All numbers are big endian.
//
//   block 0           superblock: where the log starts (s_start, 0 if it is empty) and with which transaction
//   first .. end - 1  the log, a ring. A transaction is
//                       descriptor (tags: which block of the volume each of the following blocks is),
//                       data..., revocations (blocks whose older copies must not be replayed), ..., one
//                       commit block
//
// A block belongs to the log only if it carries the magic number and the expected transaction number.
// Everything read here is hostile input.
#pragma once

#include <optional>
#include <vector>

#include "disk/block_device.h"

namespace rekindle {

enum class JournalBlockKind : std::uint32_t { descriptor = 1, commit = 2, revocation = 5 };

struct JournalTag {
  std::uint64_t block = 0;     // of the volume
  std::uint32_t checksum = 0;  // 16 bits of it in version 2, none before
  bool escaped = false;        // its first four bytes were the magic number and were cleared
};

struct JournalBlock {
  JournalBlockKind kind{};
  std::uint32_t sequence = 0;  // number of its transaction
  Bytes content;
};

class JournalLog {
 public:
  // `blocks`: where each block of the journal lies in the volume. `corrupt` if its superblock is damaged;
  // `failed_precondition` if it has features that cannot be replayed here.
  static Result<JournalLog> open(BlockTarget& volume, std::uint32_t block_bytes,
                                 std::vector<std::uint64_t> blocks);

  bool empty() const { return start_ == 0; }
  std::uint32_t start() const { return start_; }  // block of the ring
  std::uint32_t start_sequence() const { return sequence_; }
  std::uint32_t ring_length() const { return end_ - first_; }
  std::uint32_t after(std::uint32_t block, std::uint32_t count) const {
    return first_ + (block - first_ + count) % ring_length();
  }

  Result<Bytes> read(std::uint32_t block) const;
  // Nothing if that block is not part of the log.
  Result<std::optional<JournalBlock>> read_header_block(std::uint32_t block) const;

  std::vector<JournalTag> tags(const JournalBlock& descriptor) const;
  Result<std::vector<std::uint64_t>> revoked_blocks(const JournalBlock& revocation) const;

  // Checksums; true where the journal has none of that kind.
  bool tail_is_good(const JournalBlock& descriptor_or_revocation) const;
  bool commit_is_good(const JournalBlock& commit) const;
  bool data_is_good(const JournalTag& tag, std::uint32_t sequence, ByteView data) const;
  // Version 1: one CRC-32 over all descriptors and data of a transaction, in its commit block.
  bool sums_transactions() const;
  static bool sum_is_good(const JournalBlock& commit, std::uint32_t sum);

  // Marks the log as empty; the next transaction will have this number.
  Result<> reset(std::uint32_t next_sequence);

 private:
  JournalLog(BlockTarget& volume, std::uint32_t block_bytes, std::vector<std::uint64_t> blocks)
      : volume_(&volume), block_bytes_(block_bytes), blocks_(std::move(blocks)) {}
  Result<> parse_superblock();
  Result<> check_features() const;
  Result<> check_ring() const;
  std::uint32_t superblock_checksum() const;
  bool has_checksums() const;
  std::size_t tag_bytes() const;
  std::size_t tail_bytes() const { return has_checksums() ? 4 : 0; }
  std::uint32_t seeded(ByteView bytes) const;

  BlockTarget* volume_;
  std::uint32_t block_bytes_;
  std::vector<std::uint64_t> blocks_;
  Bytes superblock_;  // 1024 bytes
  std::uint32_t version_ = 0;
  std::uint32_t compat_ = 0;
  std::uint32_t incompat_ = 0;
  std::uint32_t first_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t start_ = 0;
  std::uint32_t sequence_ = 0;
  std::uint32_t seed_ = 0;
};

}  // namespace rekindle
