#include "aws/block_digests.h"

namespace rekindle {

template <typename Visit>
void BlockDigests::for_each(Visit&& visit) const {
  for (const auto& [number, group] : groups_) {
    for (std::size_t i = 0; i < group_blocks; ++i) {
      if (group->present[i]) visit(number * group_blocks + i, group->digests[i]);
    }
  }
}

void BlockDigests::set(std::uint64_t index, const Sha256& digest) {
  const std::lock_guard lock(mutex_);
  auto& group = groups_[index / group_blocks];
  if (!group) group = std::make_unique<Group>();
  const std::size_t at = index % group_blocks;
  if (!group->present[at]) ++count_;
  group->present[at] = true;
  group->digests[at] = digest;
}

std::uint64_t BlockDigests::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::vector<BlockDigest> BlockDigests::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<BlockDigest> result;
  result.reserve(count_);
  for_each([&](std::uint64_t index, const Sha256& digest) { result.push_back({index, digest}); });
  return result;
}

Sha256 BlockDigests::linear() const {
  const std::lock_guard lock(mutex_);
  Sha256Stream stream;
  for_each([&](std::uint64_t, const Sha256& digest) { stream.update(digest); });
  return stream.finish();
}

}  // namespace rekindle
