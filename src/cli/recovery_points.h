// Finding what the user means by a recovery point and a disk of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/workplace.h"
#include "model/recovery_point.h"

namespace rekindle {

// `word` is a recovery point's id, or the beginning of one, or a machine's name: then its newest. A point
// that this home does not know is looked for in all its vaults, so that a vault is of use without the
// catalog. `not_found` says what there is.
Result<RecoveryPoint> find_recovery_point(Workplace& workplace, const std::string& word);

// `word` is a disk's id or its number, 0 the one the machine boots from; empty: all disks.
Result<std::vector<RecoveryPointDisk>> find_disks(const RecoveryPoint& point, const std::string& word);
// The same, where there must be one: the only one, or the one the machine boots from.
Result<RecoveryPointDisk> find_disk(const RecoveryPoint& point, const std::string& word);

// From the vault and then the catalog: killed between, the same command works again. A point that is gone
// from the vault is no error.
Result<> remove_recovery_point(Workplace& workplace, const RecoveryPoint& point);

// `options` fit who reads in small steps.
Result<std::unique_ptr<BlockSource>> open_disk(Workplace& workplace, const RecoveryPoint& point,
                                               const DiskId& disk, const VaultDiskOptions& options = {});

}  // namespace rekindle
