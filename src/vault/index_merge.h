// Keeps the number of index segments small, as a log-structured merge tree does.
#pragma once

#include "base/clock.h"
#include "vault/index.h"

namespace rekindle {

struct MergedIndex {  // all outlive the call
  ObjectStore& store;
  const VaultKeys& keys;
  Random& random;
  const PackNames& packs;  // that are there
};

using Segments = std::vector<std::shared_ptr<const IndexSegment>>;

// The segments that say nothing which larger ones of `put_at` (by name) before `limit` do not say: those
// whose packs are all gone, or are all named by larger ones. Larger: more entries, then the name; so that
// collectors which do not know of each other never take a segment and the one that replaces it.
std::vector<std::string> superseded_segments(const Segments& segments, const PackNames& packs,
                                             const std::unordered_map<std::string, Time>& put_at, Time limit);

// Puts one segment for eight or more of about the same size; up to 2^22 entries (about 210 MiB while it
// is made).
// Returns how many were merged. What is merged stays until it is found superseded a grace period later.
Result<std::uint64_t> merge_segments(const MergedIndex& index, const Segments& segments);

}  // namespace rekindle
