// What of the ledger belongs to a DR copy.
#pragma once

#include <string>

#include "catalog/catalog.h"

namespace rekindle {

// What the ledger says uses the copy's images and template: "dr_copy:<id>".
std::string user_of(const DrCopy& copy);

// The images of the copy are used by nobody from here on; the next sweep removes them. `failed_precondition`
// while a job works with the machine's copies.
Result<> forget_copy(Catalog& catalog, const DrCopy& copy);

}  // namespace rekindle
