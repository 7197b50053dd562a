// How long a service will be away when its machine comes home.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"

namespace rekindle {

struct DowntimeForecast {
  std::chrono::milliseconds total{0};
  std::chrono::milliseconds boot{0};  // of it, from the order to start to the answer at home
  std::string boot_from;              // where that figure comes from: "as at its last failback"
};

// Of the machines of one plan, whose failovers are looked at once. The catalog and the plan outlive it. One
// thread.
class DowntimeForecaster {
 public:
  DowntimeForecaster(Catalog& catalog, const DrPlan& plan) : catalog_(catalog), plan_(plan) {}

  // From the order to stop to the answer at home: stopping as it took this machine's last failback, a pass as
  // long as the shortest so far, and the boot. That is as it was measured last: of this machine at home, else
  // of its failovers in the account, else of the newest ones of other machines of the plan. What was not
  // measured yet is assumed. `passes`: of the failback's job. Errors of the catalog.
  Result<DowntimeForecast> forecast(const std::string& machine, const nlohmann::json& passes);

 private:
  struct Boot {
    std::chrono::milliseconds took{0};
    std::string from;
  };
  Result<Boot> boot_of(const std::vector<Job>& jobs);
  Result<Boot> boot_of_others();

  Catalog& catalog_;
  const DrPlan& plan_;
  std::optional<Boot> of_others_;
};

// The same of one machine.
Result<DowntimeForecast> forecast_downtime(Catalog& catalog, const DrPlan& plan, const std::string& machine,
                                           const nlohmann::json& passes);

}  // namespace rekindle
