// A recovery point that was committed but never recorded is known to the vault alone: nobody would ever
// remove it.
#pragma once

#include <string>

#include "catalog/catalog.h"
#include "protect/vaults.h"

namespace rekindle {

// Removes it from the vault, unless the catalog has it. Absent is fine.
Result<> forget_unrecorded_point(Catalog& catalog, Vaults& vaults, const std::string& vault,
                                 const RecoveryPointId& id);

}  // namespace rekindle
