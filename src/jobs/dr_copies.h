// DR copies in the catalog, and what of the ledger belongs to them.
#pragma once

#include <optional>
#include <string>

#include "catalog/catalog.h"

namespace rekindle {

// What the ledger says uses the copy's images and template: "dr_copy:<id>".
std::string user_of(const DrCopy& copy);

// The copy that a failover of the plan uses.
Result<std::optional<DrCopy>> current_copy(Catalog& catalog, const std::string& plan,
                                           const std::string& machine);

// The images of the copy are used by nobody from here on; the next sweep removes them. `failed_precondition`
// while a job works with the machine's copies.
Result<> forget_copy(Catalog& catalog, const DrCopy& copy);

}  // namespace rekindle
