// How long a service will be away when its machine comes home.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "catalog/catalog.h"

namespace rekindle {

// From the order to stop to the answer at home: stopping and starting as they took this machine's last
// failback, and a pass as long as the shortest so far; what was not measured yet is assumed.
// `passes`: of the failback's job.
Result<std::chrono::milliseconds> forecast_downtime(Catalog& catalog, const std::string& machine,
                                                    const nlohmann::json& passes);

}  // namespace rekindle
