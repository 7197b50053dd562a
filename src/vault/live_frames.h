// Which frames of which packs are needed, and which chunks of these.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "vault/format.h"

namespace rekindle {

// Any number of threads. Memory: 8 bytes a frame and about 100 a pack: per TiB of unique content 12 MiB if
// all frames are full, 130 MiB if every chunk has a frame of its own.
class LiveFrames {
 public:
  struct Frame {
    std::uint32_t offset = 0;
    std::uint16_t slots = 0;  // bit i: slot i is needed

    bool needs(std::size_t slot) const { return slot < frame_chunks && (slots >> slot & 1) != 0; }
  };

  // False if it was there already.
  bool add(const Place& place);
  // Whether anything of the pack is needed.
  bool needs(const PackName& pack) const;
  // About what a copy of what is needed of it would take, rather too much than too little.
  std::uint64_t live_bytes(const PackName& pack) const;
  // Ascending; empty: nothing of it is needed.
  std::vector<Frame> frames(const PackName& pack) const;

 private:
  struct Pack {
    std::vector<Frame> frames;  // sorted by offset
    std::uint64_t live_bytes = 0;
  };
  mutable std::mutex mutex_;
  std::unordered_map<PackName, Pack, UniformHash> packs_;
};

// The frame of `frames` that begins at `offset`; null if there is none.
const LiveFrames::Frame* find_frame(const std::vector<LiveFrames::Frame>& frames, std::uint32_t offset);

}  // namespace rekindle
