#include "guest/journal_replay.h"

#include <ext2fs/ext2fs.h>

#include <map>
#include <memory>

#include "guest/ext4_device.h"
#include "guest/ext4_superblock.h"
#include "guest/journal_log.h"

namespace rekindle {

namespace {

// A JBD2 journal block number has 32 bits; 2^22 blocks are 16 GiB of 4 KiB, far above what mke2fs makes (1
// GiB).
constexpr std::uint64_t most_journal_blocks = 1U << 22;

struct BlockList {
  std::vector<std::uint64_t> blocks;
  std::uint64_t volume_blocks = 0;
};

int collect_block(ext2_filsys /*fs*/, blk64_t* block, e2_blkcnt_t index, blk64_t /*ref*/, int /*offset*/,
                  void* list) {
  auto& found = *static_cast<BlockList*>(list);
  if (index < 0) return 0;  // a block of the map itself
  const bool in_order = static_cast<std::uint64_t>(index) == found.blocks.size();
  if (!in_order || *block == 0 || *block >= found.volume_blocks ||
      found.blocks.size() >= most_journal_blocks) {
    found.blocks.clear();
    return BLOCK_ABORT;
  }
  found.blocks.push_back(*block);
  return 0;
}

Result<std::vector<std::uint64_t>> find_journal(BlockTarget& volume, const Ext4Superblock& superblock) {
  Ext4Device device{volume, {}};
  ext2_filsys filesystem = TRY(open_filesystem(device, false));
  const std::unique_ptr<struct_ext2_filsys, void (*)(ext2_filsys)> closer(filesystem, ext2fs_free);
  BlockList list{{}, superblock.block_count()};
  const errcode_t code = ext2fs_block_iterate3(filesystem, filesystem->super->s_journal_inum,
                                               BLOCK_FLAG_READ_ONLY, nullptr, collect_block, &list);
  if (code != 0) return filesystem_error(device, code);
  if (list.blocks.empty())
    return error(ErrorCode::corrupt, "the journal's blocks cannot be found: run e2fsck in the guest");
  return std::move(list.blocks);
}

struct Located {
  std::uint32_t at = 0;  // block of the log
  JournalBlock block;
};

class Replayer {
 public:
  Replayer(BlockTarget& volume, JournalLog& log, const Ext4Superblock& superblock)
      : volume_(volume),
        log_(log),
        block_bytes_(superblock.block_bytes()),
        block_count_(superblock.block_count()) {}

  Result<JournalReplay> replay() {
    TRY(scan());
    TRY(collect_revocations());
    for (const Located& descriptor : committed_descriptors_) TRY(replay_descriptor(descriptor));
    TRY(volume_.flush());
    TRY(log_.reset(next_sequence_ + 1));
    return done_;
  }

 private:
  // Follows the log to its end and keeps what belongs to complete transactions.
  Result<> scan();
  Result<> accept(std::uint32_t at, JournalBlock block);
  Result<bool> accept_commit(const JournalBlock& commit);
  Result<> add_to_sum(std::uint32_t at, const JournalBlock& descriptor);
  Result<> collect_revocations();
  Result<> replay_descriptor(const Located& descriptor);
  Result<> write_home(const JournalTag& tag, Bytes data);
  bool revoked(std::uint64_t block, std::uint32_t sequence) const;

  BlockTarget& volume_;
  JournalLog& log_;
  const std::uint64_t block_bytes_;
  const std::uint64_t block_count_;
  std::uint32_t next_sequence_ = 0;
  std::uint64_t last_commit_time_ = 0;
  bool suspicious_ = false;  // a checksum was wrong in the transaction being read
  std::uint32_t sum_ = ~0U;
  std::vector<Located> open_;  // blocks of the transaction being read
  std::vector<Located> committed_descriptors_;
  std::vector<Located> committed_revocations_;
  std::map<std::uint64_t, std::uint32_t>
      revoked_until_;  // block -> number of the last transaction revoking it
  JournalReplay done_;
};

Result<> Replayer::scan() {
  next_sequence_ = log_.start_sequence();
  std::uint32_t at = log_.start();
  // A log that goes round in a circle ends when the ring was read once.
  for (std::uint64_t walked = 0; walked < log_.ring_length();) {
    auto found = TRY(log_.read_header_block(at));
    if (!found || found->sequence != next_sequence_) return {};
    std::uint32_t length = 1;
    if (found->kind == JournalBlockKind::commit) {
      const bool goes_on = TRY(accept_commit(*found));
      if (!goes_on) return {};
    } else {
      if (found->kind == JournalBlockKind::descriptor)
        length += static_cast<std::uint32_t>(log_.tags(*found).size());
      TRY(accept(at, std::move(*found)));
    }
    at = log_.after(at, length);
    walked += length;
  }
  return {};
}

// A journal that was never zeroed holds blocks of older lives that look right but for their checksum. So a
// wrong one is no error yet: the commit block's time tells whether this was the end of the log.
Result<> Replayer::accept(std::uint32_t at, JournalBlock block) {
  if (!log_.tail_is_good(block)) suspicious_ = true;
  if (block.kind == JournalBlockKind::descriptor && log_.sums_transactions()) TRY(add_to_sum(at, block));
  open_.push_back({at, std::move(block)});
  return {};
}

Result<> Replayer::add_to_sum(std::uint32_t at, const JournalBlock& descriptor) {
  const auto add = [this](const Bytes& bytes) {
    sum_ = ext2fs_crc32_be(sum_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  };
  add(descriptor.content);
  const std::size_t count = log_.tags(descriptor).size();
  for (std::size_t i = 0; i < count; ++i) {
    at = log_.after(at, 1);
    const Bytes data = TRY(log_.read(at));
    add(data);
  }
  return {};
}

// False: the log ended before this transaction.
Result<bool> Replayer::accept_commit(const JournalBlock& commit) {
  constexpr std::size_t seconds_at = 48;
  const auto time = load_be<std::uint64_t>(&commit.content[seconds_at]);
  const bool good = !suspicious_ && log_.commit_is_good(commit) &&
                    (!log_.sums_transactions() || JournalLog::sum_is_good(commit, sum_));
  if (!good) {
    if (time < last_commit_time_) return false;
    return error(
        ErrorCode::corrupt,
        "transaction {} in the journal has a wrong checksum: run e2fsck on the file system in the guest and "
        "take a new recovery point",
        commit.sequence);
  }
  for (Located& located : open_) {
    auto& list =
        located.block.kind == JournalBlockKind::descriptor ? committed_descriptors_ : committed_revocations_;
    list.push_back(std::move(located));
  }
  open_.clear();
  sum_ = ~0U;
  last_commit_time_ = time;
  ++next_sequence_;
  ++done_.transactions;
  return true;
}

// Sequence numbers wrap around: `a` is after `b` if their difference is.
bool is_after(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) > 0;
}

Result<> Replayer::collect_revocations() {
  for (const Located& located : committed_revocations_) {
    const auto blocks = TRY(log_.revoked_blocks(located.block));
    for (const std::uint64_t block : blocks) {
      const auto [entry, is_new] = revoked_until_.emplace(block, located.block.sequence);
      if (!is_new && is_after(located.block.sequence, entry->second)) entry->second = located.block.sequence;
    }
  }
  return {};
}

bool Replayer::revoked(std::uint64_t block, std::uint32_t sequence) const {
  const auto found = revoked_until_.find(block);
  return found != revoked_until_.end() && !is_after(sequence, found->second);
}

Result<> Replayer::replay_descriptor(const Located& descriptor) {
  std::uint32_t at = descriptor.at;
  for (const JournalTag& tag : log_.tags(descriptor.block)) {
    at = log_.after(at, 1);
    if (revoked(tag.block, descriptor.block.sequence)) {
      ++done_.blocks_revoked;
      continue;
    }
    Bytes data = TRY(log_.read(at));
    if (!log_.data_is_good(tag, descriptor.block.sequence, data)) {
      return error(ErrorCode::corrupt,
                   "block {} of the journal has a wrong checksum: run e2fsck in the guest", at);
    }
    TRY(write_home(tag, std::move(data)));
  }
  return {};
}

Result<> Replayer::write_home(const JournalTag& tag, Bytes data) {
  constexpr std::uint32_t magic = 0xC03B3998;
  if (tag.block >= block_count_)
    return error(ErrorCode::corrupt, "the journal writes to block {}, which does not exist", tag.block);
  if (tag.escaped) store_be<std::uint32_t>(data.data(), magic);
  TRY(volume_.write_at(tag.block * block_bytes_, data), "writing block {} from the journal", tag.block);
  ++done_.blocks_written;
  return {};
}

}  // namespace

Result<JournalReplay> replay_journal(BlockTarget& volume) {
  Ext4Superblock superblock = TRY(Ext4Superblock::read(volume));
  if (!superblock.needs_recovery()) return JournalReplay{};
  if (superblock.has_external_journal()) {
    return error(ErrorCode::failed_precondition,
                 "the file system keeps its journal on another disk, which cannot be replayed here: shut the "
                 "guest down "
                 "cleanly and take a new recovery point");
  }
  auto blocks = TRY(find_journal(volume, superblock), "finding the journal");
  JournalLog log =
      TRY(JournalLog::open(volume, superblock.block_bytes(), std::move(blocks)), "opening the journal");
  JournalReplay done;
  if (log.empty()) {
    TRY(log.reset(log.start_sequence() + 1));
  } else {
    done = TRY(Replayer(volume, log, superblock).replay(), "replaying the journal");
  }
  // The superblock is journaled like any other block: what was read above may be old by now.
  superblock = TRY(Ext4Superblock::read(volume));
  superblock.clear_needs_recovery();
  TRY(superblock.write(volume), "marking the file system as recovered");
  TRY(volume.flush());
  return done;
}

}  // namespace rekindle
