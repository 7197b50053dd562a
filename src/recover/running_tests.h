// Test failovers that run: until when, and which of them were forgotten.
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "recover/preflight.h"

namespace rekindle {

// One finding of each test of the plan whose instance is there. Yellow: it has expired and runs still, nobody
// said when it expires and it has run longer than a day, or it was ended and could not be terminated yet.
Result<std::vector<Finding>> look_at_tests(Catalog& catalog, const std::string& plan, Time now);

// Of an unfinished test failover, of a plan or a machine: whether its time is over, though it was interrupted
// or waits for an approval. `job.parameters`: {"kind", "expires"}.
bool is_expired_test(const Job& job, Time now);

}  // namespace rekindle
