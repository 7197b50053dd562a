#include "recover/failback_forecast.h"

#include <fmt/format.h>

#include <algorithm>

namespace rekindle {

namespace {

using std::chrono::milliseconds;
using Jobs = std::vector<Job>;

// Where nothing was measured yet.
constexpr milliseconds assumed_stop{15000};
constexpr milliseconds assumed_boot{60000};
constexpr milliseconds assumed_pass{10000};

// Who was through with waiting sooner did not wait: the plan does not say what must answer, or an earlier
// version noted no more than the last question.
constexpr milliseconds shortest_boot{1000};

// Of other machines: plans that are failed over every night have thousands.
constexpr int most_failovers = 20;

// What the newest failback of these jobs noted under `key`, if it took so long. A rehearsal waits for no
// service.
std::optional<milliseconds> of_last_failback(const Jobs& jobs, const char* key, milliseconds at_least) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    const bool fits = job->kind == JobKind::failback && !job->parameters.value("test", false);
    if (!fits || !job->data.contains(key)) continue;
    const milliseconds took(job->data.at(key).get<std::int64_t>());
    if (took >= at_least) return took;
  }
  return std::nullopt;
}

std::optional<milliseconds> boot_in_account(const Job& job) {
  if (job.kind != JobKind::failover) return std::nullopt;
  const auto waited = std::find_if(job.timings.rbegin(), job.timings.rend(),
                                   [](const StepTiming& timing) { return timing.step == "wait_service"; });
  if (waited == job.timings.rend()) return std::nullopt;
  const milliseconds took(waited->milliseconds);
  return took < shortest_boot ? std::nullopt : std::optional(took);
}

}  // namespace

// By the newest failover of the plan that waited for a service, of whichever machine.
Result<DowntimeForecaster::Boot> DowntimeForecaster::boot_of_others() {
  const auto failovers = TRY(catalog_.list<Failover>());
  int looked_at = 0;
  for (auto failover = failovers.rbegin(); failover != failovers.rend(); ++failover) {
    if (failover->plan != plan_.name) continue;
    if (looked_at++ == most_failovers) break;
    const auto job = catalog_.job(failover->job_id);
    if (!job.ok() && job.error().code() == ErrorCode::not_found) continue;  // it was born in the account
    if (!job.ok()) return job.error();
    if (const auto boot = boot_in_account(*job))
      return Boot{*boot, fmt::format("as {} took in the account", failover->machine)};
  }
  return Boot{assumed_boot, "which is assumed: no boot was measured yet"};
}

Result<DowntimeForecaster::Boot> DowntimeForecaster::boot_of(const Jobs& jobs) {
  if (const auto at_home = of_last_failback(jobs, "service_ms", shortest_boot))
    return Boot{*at_home, "as at its last failback"};
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    if (const auto boot = boot_in_account(*job)) return Boot{*boot, "as it took in the account"};
  }
  if (!of_others_) of_others_ = TRY(boot_of_others());
  return *of_others_;
}

Result<DowntimeForecast> DowntimeForecaster::forecast(const std::string& machine,
                                                      const nlohmann::json& passes) {
  const Jobs jobs = TRY(catalog_.jobs_of(machine));
  std::optional<milliseconds> shortest;
  for (const nlohmann::json& pass : passes) {
    const milliseconds took(pass.value("milliseconds", std::int64_t{0}));
    if (!shortest || took < *shortest) shortest = took;
  }
  const Boot boot = TRY(boot_of(jobs));
  DowntimeForecast forecast;
  forecast.boot = boot.took;
  forecast.boot_from = boot.from;
  forecast.total = of_last_failback(jobs, "stop_ms", milliseconds(0)).value_or(assumed_stop) +
                   shortest.value_or(assumed_pass) + forecast.boot;
  return forecast;
}

Result<DowntimeForecast> forecast_downtime(Catalog& catalog, const DrPlan& plan, const std::string& machine,
                                           const nlohmann::json& passes) {
  return DowntimeForecaster(catalog, plan).forecast(machine, passes);
}

}  // namespace rekindle
