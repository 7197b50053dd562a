#include "vault/live_frames.h"

#include <algorithm>
#include <bit>

#include "vault/pack_writer.h"

namespace rekindle {

namespace {

static_assert(frame_chunks <= 16, "LiveFrames::Frame::slots has a bit for each");

// A slot that no frame can have leads nowhere; the frame stays whole.
std::uint16_t bit(std::size_t slot) {
  return slot < frame_chunks ? static_cast<std::uint16_t>(1U << slot) : 0xFFFF;
}

// What a copy would take. How many chunks the frame has is not known here: at least up to the last one that
// is needed.
std::uint64_t needed_bytes(std::uint16_t slots, std::uint32_t sealed_length) {
  if (slots == 0) return 0;
  const auto needed = static_cast<std::uint64_t>(std::popcount(slots));
  const auto known = static_cast<std::uint64_t>(std::bit_width(slots));
  const std::uint64_t sealed = std::min(sealed_length * needed / known, needed * chunk_bytes);
  return sealed + directory_entry_bytes(needed);
}

}  // namespace

bool LiveFrames::add(const Place& place) {
  const std::lock_guard lock(mutex_);
  Pack& pack = packs_[place.pack];
  auto at = std::ranges::lower_bound(pack.frames, place.offset, {}, &Frame::offset);
  // A pack has some hundred frames: moving them is cheaper than a node for each.
  if (at == pack.frames.end() || at->offset != place.offset) at = pack.frames.insert(at, {place.offset, 0});
  const std::uint16_t before = at->slots;
  at->slots = static_cast<std::uint16_t>(before | bit(place.slot));
  if (at->slots == before) return false;
  pack.live_bytes += needed_bytes(at->slots, place.length) - needed_bytes(before, place.length);
  return true;
}

std::uint64_t LiveFrames::live_bytes(const PackName& pack) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(pack);
  return found == packs_.end() ? 0 : found->second.live_bytes;
}

bool LiveFrames::needs(const PackName& pack) const {
  const std::lock_guard lock(mutex_);
  return packs_.contains(pack);
}

std::vector<LiveFrames::Frame> LiveFrames::frames(const PackName& pack) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(pack);
  return found == packs_.end() ? std::vector<Frame>() : found->second.frames;
}

const LiveFrames::Frame* find_frame(const std::vector<LiveFrames::Frame>& frames, std::uint32_t offset) {
  const auto found = std::ranges::lower_bound(frames, offset, {}, &LiveFrames::Frame::offset);
  return found != frames.end() && found->offset == offset ? &*found : nullptr;
}

}  // namespace rekindle
