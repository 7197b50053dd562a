// From a frozen disk into a recovery point.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "jobs/job_runner.h"
#include "model/recovery_point.h"
#include "site/snapshot_source.h"
#include "vault/vault.h"

namespace rekindle {

struct DiskToRead {
  DiskId disk;
  std::unique_ptr<BlockSource> source;
  bool incremental = false;  // outside `areas` it is as in the parent
  Extents areas;
};

// Asks the site what changed since the parent; where it does not know (or there is no parent), everything
// that may hold data.
Result<DiskToRead> plan_disk(SnapshotSource& site, const MachineSnapshot& snapshot, const DiskSnapshot& disk,
                             const std::optional<RecoveryPoint>& parent);

// Reads the areas, several at a time, into the writer. Adds to progress.bytes_done.
Result<> read_disk(const DiskToRead& disk, PointWriter& writer, Progress& progress, std::stop_token stop);

}  // namespace rekindle
