// Invariant: a machine is never run by both sites in production, nor twice in the account. What failovers so
// far mean for the next one.
#pragma once

#include <string>

#include "catalog/catalog.h"

namespace rekindle {

// `failed_precondition` while an instance of the machine of an earlier failover of that kind is there: says
// which, and how to end it. One that the machine came home from is no such.
Result<> refuse_second_instance(Catalog& catalog, const std::string& machine, FailoverKind kind);

// Of a failover that the machine came home from: `failed_precondition` if the copy has not all that was
// brought home from there.
Result<> refuse_older_copy(Catalog& catalog, const Failover& returned, const DrCopy& copy);

}  // namespace rekindle
