#include "disk/patched_disk.h"

#include <algorithm>

namespace rekindle {

Result<> PatchedDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  const std::uint64_t end = offset + bytes.size();
  CHECK(end <= size());
  const auto first = blocks_.lower_bound(offset / block_bytes_);
  // A read of one changed block needs nothing of the base.
  const bool all_changed = first != blocks_.end() && first->first * block_bytes_ <= offset &&
                           first->first * block_bytes_ + first->second.size() >= end;
  if (!all_changed) TRY(base_.read_at(offset, bytes));
  for (auto block = first; block != blocks_.end() && block->first * block_bytes_ < end; ++block) {
    const std::uint64_t start = block->first * block_bytes_;
    const std::uint64_t from = std::max(offset, start);
    const std::uint64_t to = std::min(end, start + block->second.size());
    if (from >= to) continue;
    copy_bytes(ByteView(block->second).subspan(from - start, to - from),
               bytes.subspan(from - offset, to - from));
  }
  return {};
}

Result<Extents> PatchedDisk::data_extents(Extent range) {
  const Extents of_base = TRY(base_.data_extents(range));
  std::vector<Extent> changed;
  for (const auto& [index, content] : blocks_) changed.push_back({index * block_bytes_, content.size()});
  return unite(of_base, intersect(normalize(std::move(changed)), {range}));
}

}  // namespace rekindle
