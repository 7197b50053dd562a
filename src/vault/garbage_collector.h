// Frees what no recovery point needs any more. docs/formats/vault.md, section 4, says why this is safe beside
// any number of writers, readers and other collectors that do not know of each other.
#pragma once

#include "base/clock.h"
#include "vault/garbage_mark.h"

namespace rekindle {

struct CollectOptions {
  // How long a pack lies before it is doomed, how long it is doomed before it is deleted, and how long a
  // removed point protects what it reached. Not less than shortest_grace (`invalid_argument`); longer than
  // any backup lasts.
  std::chrono::milliseconds grace = std::chrono::days(14);
  // Packs of which less is needed are copied together into new ones, and doomed. 0: none.
  unsigned thin_percent = 30;
  bool dry_run = false;  // reports what would be done
};

struct CollectReport {
  std::uint64_t points = 0;        // that were considered: listed, or removed not long ago
  std::uint64_t pages = 0;         // of trees, each once
  std::uint64_t bytes_stored = 0;  // of packs, before
  std::uint64_t bytes_live = 0;    // of these, what points need
  std::uint64_t packs_doomed =
      0;  // now; deleted by a pass a grace period from now if still nobody needs them
  std::uint64_t bytes_doomed = 0;  // of packs that were doomed now or before, and wait
  std::uint64_t packs_deleted = 0;
  std::uint64_t bytes_deleted = 0;
  std::uint64_t objects_locked = 0;   // that would have been deleted, but for the store's retention locks
  std::uint64_t packs_compacted = 0;  // thin ones; doomed now, too
  std::uint64_t bytes_copied = 0;     // out of these, into new packs
  std::uint64_t segments_merged = 0;  // of the index
  std::uint64_t segments_deleted = 0;
};

struct CollectedVault {  // all outlive the call
  ObjectStore& store;
  const VaultKeys& keys;
  Random& random;
};

// `corrupt`: a tree cannot be read, so that nobody knows what is needed; nothing is deleted. Dying or failing
// at any instant leaves a vault as good as before; the next pass goes on. Memory: that of LiveFrames and of
// the index's filters (twice once something was moved): 45 to 195 MiB per TiB of unique content.
Result<CollectReport> collect_garbage(const CollectedVault& vault, const CollectOptions& options,
                                      std::stop_token stop = {});

}  // namespace rekindle
