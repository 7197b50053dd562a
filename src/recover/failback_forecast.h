// How long a service will be away when its machine comes home.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "catalog/catalog.h"

namespace rekindle {

// From the order to stop to the answer at home: stopping and starting as they took last time (of this
// machine, else of any; a rehearsal counts for the start), and a pass as long as the shortest so far.
// `passes`: of the failback's job.
Result<std::chrono::milliseconds> forecast_downtime(Catalog& catalog, const std::string& machine,
                                                    const nlohmann::json& passes);

}  // namespace rekindle
