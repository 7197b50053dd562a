// Waiting for jobs of other processes.
#pragma once

#include <functional>
#include <stop_token>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "cli/output.h"

namespace rekindle {

// Until no living process has an unfinished job that is meant: one whose process died is not waited for.
// `cancelled` when `stop` is requested.
Result<> wait_while_one_lives(Catalog& catalog, Clock& clock, const std::function<bool(const Job&)>& is_meant,
                              const std::stop_token& stop);

// The same for one job; says so first.
Result<> wait_for_living(const Output& output, Catalog& catalog, Clock& clock, const Job& job,
                         const std::stop_token& stop);

}  // namespace rekindle
