#include "recover/failback_forecast.h"

#include <algorithm>
#include <optional>

namespace rekindle {

namespace {

using std::chrono::milliseconds;

// Where nothing was measured yet.
constexpr milliseconds assumed_stop{15000};
constexpr milliseconds assumed_service{60000};
constexpr milliseconds assumed_pass{10000};

// What the newest failback of these jobs noted under `key`. A rehearsal waits for no service.
milliseconds of_last_time(const std::vector<Job>& jobs, const char* key, milliseconds assumed) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    const bool fits = job->kind == JobKind::failback && !job->parameters.value("test", false);
    if (fits && job->data.contains(key)) return milliseconds(job->data.at(key).get<std::int64_t>());
  }
  return assumed;
}

}  // namespace

Result<milliseconds> forecast_downtime(Catalog& catalog, const std::string& machine,
                                       const nlohmann::json& passes) {
  const auto jobs = TRY(catalog.jobs_of(machine));
  std::optional<milliseconds> shortest;
  for (const nlohmann::json& pass : passes) {
    const milliseconds took(pass.value("milliseconds", std::int64_t{0}));
    if (!shortest || took < *shortest) shortest = took;
  }
  return of_last_time(jobs, "stop_ms", assumed_stop) + shortest.value_or(assumed_pass) +
         of_last_time(jobs, "service_ms", assumed_service);
}

}  // namespace rekindle
