#include "vault/live_frames.h"

#include <algorithm>

namespace rekindle {

bool LiveFrames::add(const Place& place) {
  const std::lock_guard lock(mutex_);
  Pack& pack = packs_[place.pack];
  const auto at = std::ranges::lower_bound(pack.offsets, place.offset);
  if (at != pack.offsets.end() && *at == place.offset) return false;
  // A pack has some hundred frames: moving them is cheaper than a node for each.
  pack.offsets.insert(at, place.offset);
  pack.live_bytes += place.length;
  return true;
}

std::uint64_t LiveFrames::live_bytes(const PackName& pack) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(pack);
  return found == packs_.end() ? 0 : found->second.live_bytes;
}

std::vector<std::uint32_t> LiveFrames::offsets(const PackName& pack) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(pack);
  return found == packs_.end() ? std::vector<std::uint32_t>() : found->second.offsets;
}

}  // namespace rekindle
