#include "recover/failback_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace rekindle {

namespace {

using std::chrono::milliseconds;
using Jobs = std::vector<Job>;

// Where nothing was measured yet.
constexpr milliseconds assumed_stop{15000};
constexpr milliseconds assumed_boot{60000};
constexpr milliseconds assumed_pass{10000};

// A failover that was through with waiting sooner did not wait: the plan does not say what must answer.
constexpr milliseconds shortest_boot{1000};

// What the newest failback of these jobs noted under `key`. A rehearsal waits for no service.
std::optional<milliseconds> of_last_failback(const Jobs& jobs, const char* key) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    const bool fits = job->kind == JobKind::failback && !job->parameters.value("test", false);
    if (fits && job->data.contains(key)) return milliseconds(job->data.at(key).get<std::int64_t>());
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

void say(DowntimeForecast& forecast, milliseconds boot, std::string from) {
  forecast.boot = boot;
  forecast.boot_from = std::move(from);
}

// By the newest failover of the plan that waited for a service, of whichever machine.
Result<> forecast_by_others(Catalog& catalog, const DrPlan& plan, DowntimeForecast& forecast) {
  const auto failovers = TRY(catalog.list<Failover>());
  for (auto failover = failovers.rbegin(); failover != failovers.rend(); ++failover) {
    if (failover->plan != plan.name) continue;
    const auto job = catalog.job(failover->job_id);
    if (!job.ok() && job.error().code() == ErrorCode::not_found) continue;  // it was born in the account
    if (!job.ok()) return job.error();
    if (const auto boot = boot_in_account(*job)) {
      say(forecast, *boot, fmt::format("as {} took in the account", failover->machine));
      return {};
    }
  }
  say(forecast, assumed_boot, "which is assumed: no boot was measured yet");
  return {};
}

Result<> forecast_boot(Catalog& catalog, const DrPlan& plan, const Jobs& jobs, DowntimeForecast& forecast) {
  if (const auto at_home = of_last_failback(jobs, "service_ms")) {
    say(forecast, *at_home, "as at its last failback");
    return {};
  }
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    if (const auto boot = boot_in_account(*job)) {
      say(forecast, *boot, "as it took in the account");
      return {};
    }
  }
  return forecast_by_others(catalog, plan, forecast);
}

}  // namespace

Result<DowntimeForecast> forecast_downtime(Catalog& catalog, const DrPlan& plan, const std::string& machine,
                                           const nlohmann::json& passes) {
  const Jobs jobs = TRY(catalog.jobs_of(machine));
  std::optional<milliseconds> shortest;
  for (const nlohmann::json& pass : passes) {
    const milliseconds took(pass.value("milliseconds", std::int64_t{0}));
    if (!shortest || took < *shortest) shortest = took;
  }
  DowntimeForecast forecast;
  TRY(forecast_boot(catalog, plan, jobs, forecast));
  forecast.total = of_last_failback(jobs, "stop_ms").value_or(assumed_stop) +
                   shortest.value_or(assumed_pass) + forecast.boot;
  return forecast;
}

}  // namespace rekindle
