// Looks for damage in a vault.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "disk/extent.h"
#include "store/object_store.h"
#include "vault/vault_keys.h"

namespace rekindle {

enum class CheckLevel {
  structure,  // every point, every page of its trees, and that every chunk is where the trees and the index
              // say
  sampled,    // and some of the frames are read, authenticated and compared with their ids
  data,       // and all of them are
};

struct CheckOptions {
  CheckLevel level = CheckLevel::structure;
  unsigned sample_percent = 5;  // of frames, at level sampled
  std::uint64_t seed = 0;       // which ones: another every night finds everything in the end
  // Bytes of packs that were gone through, of all; from any thread.
  std::function<void(std::uint64_t done, std::uint64_t all)> progress;
};

// What a point cannot give back.
struct LostRange {
  std::string machine;
  std::string point;
  std::string disk;
  Extents bytes;
};

struct CheckProblem {
  std::string what;                 // a sentence that names the object
  std::vector<std::string> points;  // the recovery points that cannot be restored completely because of it
  std::vector<LostRange> lost;      // of these, exactly; empty for a point that cannot be read itself
};

struct CheckReport {
  std::uint64_t points = 0;
  std::uint64_t pages = 0;        // of trees, each once
  std::uint64_t chunks = 0;       // that these pages name
  std::uint64_t moved = 0;        // of these, found elsewhere than where the page says
  std::uint64_t bytes_read = 0;   // of packs
  std::uint64_t quarantined = 0;  // packs marked damaged (by a repair) whose damage hits no point
  std::vector<CheckProblem> problems;
  std::vector<std::string> damaged_objects;  // packs and index segments, for a repair

  bool clean() const { return problems.empty(); }
};

// Damage is in the report; an error means that the check itself could not go on (`unavailable`, `cancelled`).
// Collections, removals and backups may run meanwhile. Memory: 64 MiB for directories, 128 MiB for index
// entries, and per TiB of unique content 32 MiB of index filters and 0.5 MiB of pages seen. `store` and
// `keys` outlive the call.
Result<CheckReport> check_vault(ObjectStore& store, const VaultKeys& keys, const CheckOptions& options,
                                std::stop_token stop);

}  // namespace rekindle
