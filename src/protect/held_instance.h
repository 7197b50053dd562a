// Instances of failovers that were ended, and which the account holds still: `released` is recorded before
// the instance is terminated, so that the record alone does not tell that it is gone.
#pragma once

#include <vector>

#include "catalog/catalog.h"

namespace rekindle {

// Whether the ledger still holds the failover's instance: it runs, or could not be terminated yet.
bool holds_instance(const Failover& failover, const std::vector<LedgerEntry>& ledger);

// Whether a test's time is over and its instance is not gone: nobody ended it, or terminating it failed.
bool outlives_its_expiry(const Failover& failover, const std::vector<LedgerEntry>& ledger, Time now);

// The same of the instance of a machine that came home, and the time that it is kept.
bool outlives_its_keeping(const Failover& failover, const std::vector<LedgerEntry>& ledger, Time now);

}  // namespace rekindle
