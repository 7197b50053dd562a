// Looks for damage in a vault.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "vault/tree_reader.h"

namespace rekindle {

enum class CheckLevel {
  structure,  // every point, every page of its trees, and that every chunk is where the trees and the index
              // say
  data,       // and every chunk is read, authenticated and compared with its id
};

struct CheckProblem {
  std::string what;                 // names the object
  std::vector<std::string> points;  // the recovery points that cannot be restored completely because of it
};

struct CheckReport {
  std::uint64_t points = 0;
  std::uint64_t pages = 0;       // of trees, each once
  std::uint64_t chunks = 0;      // that these pages name
  std::uint64_t bytes_read = 0;  // of packs, at level data
  std::vector<CheckProblem> problems;

  bool clean() const { return problems.empty(); }
};

struct CheckedVault {  // all outlive the call
  ObjectStore& store;
  const VaultKeys& keys;
  PackReader& packs;
  TreeReader& trees;
};

// Damage is in the report; an error means that the check itself could not go on (`unavailable`, `cancelled`).
// Holds the directories of all packs in memory: about 1 GiB per TiB of unique data.
Result<CheckReport> check_vault(const CheckedVault& vault, CheckLevel level, std::stop_token stop);

}  // namespace rekindle
