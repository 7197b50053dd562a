// Locks what the recovery points of a vault need, on a store that has locks.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "store/object_store.h"
#include "vault/vault_keys.h"

namespace rekindle {

// Beginnings of the names that a store must not lock: marks that come and go, also during a backup.
std::vector<std::string> never_locked();

struct KeepReport {
  std::uint64_t points = 0;
  std::uint64_t objects = 0;  // that are locked now, at least until the time given
};

// A new point refers to packs that were put, and locked, long ago: this makes the lock of every object that a
// listed point reaches last until `until`, and of all that opens the vault. The index is left out: it only
// serves deduplication. Reads every tree page once and asks the store about every pack, so it is for once a
// day, not for every backup. Memory: that of LiveFrames. An unreadable page is an error: nobody knows what
// lies behind it.
Result<KeepReport> keep_what_points_need(ObjectStore& store, const VaultKeys& keys, Time until,
                                         std::stop_token stop);

}  // namespace rekindle
