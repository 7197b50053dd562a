#include "disk/scratch_disk.h"

#include <algorithm>

namespace rekindle {

namespace {
constexpr std::uint64_t block_bytes = 4 * kib;
}

ScratchDisk::ScratchDisk(BlockSource& base, BlockTarget& scratch)
    : base_(base), scratch_(scratch), in_scratch_((base.size() + block_bytes - 1) / block_bytes) {
  CHECK(base.size() == scratch.size());
}

std::vector<std::pair<Extent, bool>> ScratchDisk::parts_of(Extent range) const {
  std::vector<std::pair<Extent, bool>> parts;
  const std::lock_guard lock(bits_mutex_);
  for (std::uint64_t offset = range.offset; offset < range.end();) {
    const std::uint64_t end = std::min(range.end(), (offset / block_bytes + 1) * block_bytes);
    const bool here = in_scratch_[offset / block_bytes];
    if (parts.empty() || parts.back().second != here) {
      parts.push_back({{offset, end - offset}, here});
    } else {
      parts.back().first.length += end - offset;
    }
    offset = end;
  }
  return parts;
}

Result<> ScratchDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  CHECK(offset + bytes.size() <= size());
  for (const auto& [part, here] : parts_of({offset, bytes.size()})) {
    BlockSource& from = here ? static_cast<BlockSource&>(scratch_) : base_;
    TRY(from.read_at(part.offset, bytes.subspan(part.offset - offset, part.length)));
  }
  return {};
}

Result<Extents> ScratchDisk::data_extents(Extent range) {
  const Extents base = TRY(base_.data_extents(range));
  std::vector<Extent> here;
  for (const auto& [part, in_scratch] : parts_of(range)) {
    if (in_scratch) here.push_back(part);
  }
  const Extents known = normalize(std::move(here));
  const Extents written = known.empty() ? Extents{} : intersect(TRY(scratch_.data_extents(range)), known);
  return unite(subtract(base, known), written);
}

Result<> ScratchDisk::copy_up(std::uint64_t block) {
  const std::lock_guard alone(writing_);
  {
    const std::lock_guard lock(bits_mutex_);
    if (in_scratch_[block]) return {};
  }
  const std::uint64_t start = block * block_bytes;
  Bytes content(std::min(block_bytes, size() - start));
  TRY(base_.read_at(start, content));
  TRY(scratch_.write_at(start, content));
  mark({start, content.size()});
  return {};
}

// Blocks of which the range covers only a part: the first and the last, perhaps.
Result<> ScratchDisk::copy_up_edges(Extent range) {
  const std::uint64_t first = range.offset / block_bytes;
  const std::uint64_t last = (range.end() - 1) / block_bytes;
  const bool last_is_whole = range.end() % block_bytes == 0 || range.end() == size();
  for (const std::uint64_t block : {first, last}) {
    const bool whole =
        block == first ? range.offset % block_bytes == 0 && (first != last || last_is_whole) : last_is_whole;
    if (whole) continue;
    TRY(copy_up(block));
  }
  return {};
}

void ScratchDisk::mark(Extent range) {
  const std::lock_guard lock(bits_mutex_);
  const std::uint64_t last = (range.end() - 1) / block_bytes;
  for (std::uint64_t block = range.offset / block_bytes; block <= last; ++block) in_scratch_[block] = true;
}

// A block is marked only when all of it is in the scratch: who reads meanwhile sees the old or the new.
Result<> ScratchDisk::write_at(std::uint64_t offset, ByteView bytes) {
  CHECK(offset + bytes.size() <= size());
  if (bytes.empty()) return {};
  TRY(copy_up_edges({offset, bytes.size()}));
  const std::shared_lock lock(writing_);
  TRY(scratch_.write_at(offset, bytes));
  mark({offset, bytes.size()});
  return {};
}

Result<> ScratchDisk::write_zeros(std::uint64_t offset, std::uint64_t length) {
  CHECK(offset + length <= size());
  if (length == 0) return {};
  TRY(copy_up_edges({offset, length}));
  const std::shared_lock lock(writing_);
  TRY(scratch_.write_zeros(offset, length));
  mark({offset, length});
  return {};
}

Extents ScratchDisk::written() const {
  std::vector<Extent> found;
  for (const auto& [part, here] : parts_of({0, size()})) {
    if (here) found.push_back(part);
  }
  return normalize(std::move(found));
}

}  // namespace rekindle
