// Makes the best of a damaged vault.
#pragma once

#include "base/random.h"
#include "vault/vault_check.h"

namespace rekindle {

struct RepairOptions {
  CheckLevel level = CheckLevel::data;  // what is looked for; damage that is not seen is not repaired
  bool remove_unreadable_points =
      false;  // the objects of points that cannot be opened: until then no collection works
  std::function<void(std::uint64_t done, std::uint64_t all)> progress;
};

struct RepairReport {
  std::uint64_t packs_quarantined = 0;  // marked damaged now: the next full backups store their content again
  std::uint64_t segments_removed = 0;
  std::uint64_t entries_indexed = 0;  // anew, from the packs
  std::uint64_t points_removed = 0;
  std::vector<CheckProblem>
      lost;  // what points cannot give back, until a full backup stores the same content again
};

// Nothing that could be read before is taken away. Damaged segments are removed and the index is completed
// from the packs, so that readers find whatever lies in a second place too; damaged packs are marked, so that
// no writer refers to what may be unreadable. Backups and readers may go on meanwhile. Errors as for
// check_vault.
Result<RepairReport> repair_vault(ObjectStore& store, const VaultKeys& keys, Random& random,
                                  const RepairOptions& options, std::stop_token stop);

}  // namespace rekindle
