// Finds out what the points of a vault need.
#pragma once

#include <memory>
#include <stop_token>

#include "vault/index.h"
#include "vault/live_frames.h"
#include "vault/pack_list.h"
#include "vault/tree_reader.h"

namespace rekindle {

struct MarkedVault {  // all outlive the call
  ObjectStore& store;
  const VaultKeys& keys;
  TreeReader& trees;
  Index& index;  // for finding
};

struct Marked {
  LiveFrames live;
  std::vector<ListedPack> packs;  // listed after the points, so that it has what they reach
  std::vector<std::string>
      expired_removals;      // objects of points that were removed more than a grace period ago
  std::uint64_t points = 0;  // listed and not expired
  std::uint64_t pages = 0;   // of trees, each once
};

// Every frame that a listed point needs, or one removed after `removed_since`, is marked at its place; where
// the pack of that place is gone or marked as damaged, at every other place that the index knows. Each page
// is read once, whatever number of points shares it. An unreadable page is an error: nobody knows what lies
// behind it.
Result<std::unique_ptr<Marked>> mark_live(const MarkedVault& vault, Time removed_since, std::stop_token stop);

}  // namespace rekindle
