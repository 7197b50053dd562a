#include "guest/journal_log.h"

#include <ext2fs/ext2fs.h>

#include <algorithm>
#include <array>

namespace rekindle {

namespace {

constexpr std::uint32_t magic = 0xC03B3998;
constexpr std::uint32_t superblock_v1 = 3;
constexpr std::uint32_t superblock_v2 = 4;
constexpr std::size_t header_bytes = 12;
constexpr std::size_t superblock_bytes = 1024;
constexpr std::size_t superblock_checksum_at = 252;
constexpr std::size_t commit_checksum_at = 16;

constexpr std::uint32_t compat_checksum = 1;
constexpr std::uint32_t incompat_revoke = 1;
constexpr std::uint32_t incompat_64bit = 2;
constexpr std::uint32_t incompat_async_commit = 4;
constexpr std::uint32_t incompat_checksum_v2 = 8;
constexpr std::uint32_t incompat_checksum_v3 = 0x10;
constexpr std::uint32_t incompat_fast_commit = 0x20;

constexpr std::uint32_t tag_escaped = 1;
constexpr std::uint32_t tag_same_uuid = 2;
constexpr std::uint32_t tag_last = 8;

std::uint32_t crc32c(std::uint32_t crc, ByteView bytes) {
  return ext2fs_crc32c_le(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::uint32_t be32(const Bytes& bytes, std::size_t offset) {
  return load_be<std::uint32_t>(&bytes[offset]);
}

}  // namespace

Result<JournalLog> JournalLog::open(BlockTarget& volume, std::uint32_t block_bytes,
                                    std::vector<std::uint64_t> blocks) {
  JournalLog log(volume, block_bytes, std::move(blocks));
  if (log.blocks_.empty()) return error(ErrorCode::corrupt, "the journal has no blocks");
  TRY(log.parse_superblock(), "reading the journal's superblock");
  return log;
}

Result<> JournalLog::parse_superblock() {
  superblock_ = TRY(read(0));
  superblock_.resize(superblock_bytes);
  version_ = be32(superblock_, 4);
  if (be32(superblock_, 0) != magic || (version_ != superblock_v1 && version_ != superblock_v2)) {
    return error(ErrorCode::corrupt, "it is not there");
  }
  if (be32(superblock_, 12) != block_bytes_)
    return error(ErrorCode::corrupt, "its block size is not the file system's");
  end_ = be32(superblock_, 16);
  first_ = be32(superblock_, 20);
  sequence_ = be32(superblock_, 24);
  start_ = be32(superblock_, 28);
  if (version_ == superblock_v2) {
    compat_ = be32(superblock_, 36);
    incompat_ = be32(superblock_, 40);
  }
  seed_ = crc32c(~0U, ByteView(superblock_).subspan(48, 16));
  TRY(check_features());
  return check_ring();
}

Result<> JournalLog::check_features() const {
  if ((incompat_ & incompat_fast_commit) != 0) {
    return error(ErrorCode::failed_precondition,
                 "it holds fast commits, which cannot be replayed here: turn the feature off in the guest "
                 "(tune2fs -O ^fast_commit) and take a new recovery point");
  }
  constexpr std::uint32_t known =
      incompat_revoke | incompat_64bit | incompat_async_commit | incompat_checksum_v2 | incompat_checksum_v3;
  if ((incompat_ & ~known) != 0) {
    return error(ErrorCode::failed_precondition, "it uses features that are not known here ({:#x})",
                 incompat_ & ~known);
  }
  if (has_checksums() && superblock_checksum() != be32(superblock_, superblock_checksum_at)) {
    return error(ErrorCode::corrupt, "its checksum is wrong");
  }
  return {};
}

Result<> JournalLog::check_ring() const {
  const bool sane = first_ >= 1 && end_ > first_ && end_ <= blocks_.size() &&
                    (start_ == 0 || (start_ >= first_ && start_ < end_));
  if (!sane) return error(ErrorCode::corrupt, "it describes an impossible log");
  return {};
}

std::uint32_t JournalLog::superblock_checksum() const {
  Bytes copy = superblock_;
  store_be<std::uint32_t>(&copy[superblock_checksum_at], 0);
  return crc32c(~0U, copy);
}

bool JournalLog::has_checksums() const {
  return (incompat_ & (incompat_checksum_v2 | incompat_checksum_v3)) != 0;
}

std::uint32_t JournalLog::seeded(ByteView bytes) const {
  return crc32c(seed_, bytes);
}

Result<Bytes> JournalLog::read(std::uint32_t block) const {
  Bytes content(block_bytes_);
  const std::uint64_t at = blocks_.at(block) * block_bytes_;
  TRY(volume_->read_at(at, content), "reading block {} of the journal", block);
  return content;
}

Result<std::optional<JournalBlock>> JournalLog::read_header_block(std::uint32_t block) const {
  Bytes content = TRY(read(block));
  const std::uint32_t kind = be32(content, 4);
  const bool known = kind == static_cast<std::uint32_t>(JournalBlockKind::descriptor) ||
                     kind == static_cast<std::uint32_t>(JournalBlockKind::commit) ||
                     kind == static_cast<std::uint32_t>(JournalBlockKind::revocation);
  if (be32(content, 0) != magic || !known) return std::optional<JournalBlock>{};
  const std::uint32_t sequence = be32(content, 8);
  return std::optional<JournalBlock>{
      JournalBlock{static_cast<JournalBlockKind>(kind), sequence, std::move(content)}};
}

// Version 3 has a layout of its own; before, a checksum of 16 bits was squeezed in, with two bytes of padding
// after.
std::size_t JournalLog::tag_bytes() const {
  if ((incompat_ & incompat_checksum_v3) != 0) return 16;
  std::size_t bytes = 8;
  if ((incompat_ & incompat_checksum_v2) != 0) bytes += 2;
  if ((incompat_ & incompat_64bit) != 0) bytes += 4;
  return bytes;
}

std::vector<JournalTag> JournalLog::tags(const JournalBlock& descriptor) const {
  const bool v3 = (incompat_ & incompat_checksum_v3) != 0;
  const bool wide = (incompat_ & incompat_64bit) != 0;
  std::vector<JournalTag> tags;
  for (std::size_t at = header_bytes; at + tag_bytes() <= block_bytes_ - tail_bytes();) {
    const std::byte* raw = &descriptor.content[at];
    const std::uint32_t flags = v3 ? load_be<std::uint32_t>(raw + 4) : load_be<std::uint16_t>(raw + 6);
    JournalTag tag;
    tag.block = load_be<std::uint32_t>(raw);
    if (wide) tag.block |= std::uint64_t{load_be<std::uint32_t>(raw + 8)} << 32;
    tag.checksum = v3 ? load_be<std::uint32_t>(raw + 12) : load_be<std::uint16_t>(raw + 4);
    tag.escaped = (flags & tag_escaped) != 0;
    tags.push_back(tag);
    at += tag_bytes() + ((flags & tag_same_uuid) != 0 ? 0 : 16);
    if ((flags & tag_last) != 0) break;
  }
  return tags;
}

Result<std::vector<std::uint64_t>> JournalLog::revoked_blocks(const JournalBlock& revocation) const {
  const std::size_t used = be32(revocation.content, header_bytes);
  if (used > block_bytes_ - tail_bytes())
    return error(ErrorCode::corrupt, "a list of revocations in the journal is damaged");
  const bool wide = (incompat_ & incompat_64bit) != 0;
  const std::size_t step = wide ? 8 : 4;
  std::vector<std::uint64_t> blocks;
  for (std::size_t at = header_bytes + 4; at + step <= used; at += step) {
    const std::byte* raw = &revocation.content[at];
    blocks.push_back(wide ? load_be<std::uint64_t>(raw) : load_be<std::uint32_t>(raw));
  }
  return blocks;
}

bool JournalLog::tail_is_good(const JournalBlock& block) const {
  if (!has_checksums()) return true;
  Bytes copy = block.content;
  const std::size_t at = block_bytes_ - 4;
  store_be<std::uint32_t>(&copy[at], 0);
  return seeded(copy) == be32(block.content, at);
}

bool JournalLog::commit_is_good(const JournalBlock& commit) const {
  if (!has_checksums()) return true;
  Bytes copy = commit.content;
  store_be<std::uint32_t>(&copy[commit_checksum_at], 0);
  return seeded(copy) == be32(commit.content, commit_checksum_at);
}

bool JournalLog::data_is_good(const JournalTag& tag, std::uint32_t sequence, ByteView data) const {
  if (!has_checksums()) return true;
  std::array<std::byte, 4> number{};
  store_be<std::uint32_t>(number.data(), sequence);
  const std::uint32_t checksum = crc32c(seeded(number), data);
  const bool v3 = (incompat_ & incompat_checksum_v3) != 0;
  return tag.checksum == (v3 ? checksum : checksum & 0xFFFFU);
}

bool JournalLog::sums_transactions() const {
  return !has_checksums() && (compat_ & compat_checksum) != 0;
}

bool JournalLog::sum_is_good(const JournalBlock& commit, std::uint32_t sum) {
  const auto type = std::to_integer<unsigned>(commit.content[header_bytes]);
  const auto length = std::to_integer<unsigned>(commit.content[header_bytes + 1]);
  const std::uint32_t stored = be32(commit.content, commit_checksum_at);
  constexpr unsigned type_crc32 = 1;
  if (type == 0 && length == 0 && stored == 0) return true;  // written by a kernel that did not sum
  return type == type_crc32 && length == 4 && stored == sum;
}

Result<> JournalLog::reset(std::uint32_t next_sequence) {
  store_be<std::uint32_t>(&superblock_[24], next_sequence);
  store_be<std::uint32_t>(&superblock_[28], 0);
  if (has_checksums()) store_be<std::uint32_t>(&superblock_[superblock_checksum_at], superblock_checksum());
  TRY(volume_->write_at(blocks_.front() * block_bytes_, superblock_), "marking the journal as replayed");
  sequence_ = next_sequence;
  start_ = 0;
  return {};
}

}  // namespace rekindle
