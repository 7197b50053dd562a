// Which frames of which packs are needed.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "vault/format.h"

namespace rekindle {

// Any number of threads. Memory: 4 bytes a frame and about 100 a pack: per TiB of unique content 17 MiB if
// all frames are full, 70 MiB if every chunk has a frame of its own.
class LiveFrames {
 public:
  // False if the frame was there already.
  bool add(const Place& place);
  std::uint64_t live_bytes(const PackName& pack) const;
  // Ascending; empty: nothing of it is needed.
  std::vector<std::uint32_t> offsets(const PackName& pack) const;

 private:
  struct Pack {
    std::vector<std::uint32_t> offsets;  // sorted
    std::uint64_t live_bytes = 0;
  };
  mutable std::mutex mutex_;
  std::unordered_map<PackName, Pack, UniformHash> packs_;
};

}  // namespace rekindle
