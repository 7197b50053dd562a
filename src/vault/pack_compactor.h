// Copies what is still needed out of packs that are mostly garbage.
#pragma once

#include <stop_token>

#include "base/random.h"
#include "vault/live_frames.h"
#include "vault/pack_list.h"
#include "vault/pack_reader.h"

namespace rekindle {

struct CompactedVault {  // all outlive the call
  ObjectStore& store;
  const VaultKeys& keys;
  Random& random;
  PackReader& packs;
};

struct Compacted {
  std::vector<PackName> packs;  // everything live in them lies in other packs now, durable and indexed
  std::uint64_t bytes_copied = 0;
};

// Seals the live chunks and pages of `thin` anew, in new packs, and puts an index segment that names these.
// Ids stay; trees go on naming the old places, and readers find the new ones through the index once the old
// packs are gone. A pack that cannot be read is left out, with a warning. Memory: that of a writer's packs.
Result<Compacted> compact(const CompactedVault& vault, const std::vector<ListedPack>& thin,
                          const LiveFrames& live, std::stop_token stop);

}  // namespace rekindle
