// How long a service will be away when its machine comes home.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "catalog/catalog.h"

namespace rekindle {

struct DowntimeForecast {
  std::chrono::milliseconds total{0};
  std::chrono::milliseconds boot{0};  // of it, from the order to start to the answer at home
  std::string boot_from;              // where that figure comes from: "as at its last failback"
};

// From the order to stop to the answer at home: stopping as it took this machine's last failback, a pass as
// long as the shortest so far, and the boot. That is as it was measured last: of this machine at home, else
// of its failovers in the account, else of those of other machines of the plan. What was not measured yet is
// assumed. `passes`: of the failback's job.
Result<DowntimeForecast> forecast_downtime(Catalog& catalog, const DrPlan& plan, const std::string& machine,
                                           const nlohmann::json& passes);

}  // namespace rekindle
