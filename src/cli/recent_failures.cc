#include "cli/recent_failures.h"

namespace rekindle {

namespace {

constexpr std::chrono::minutes retry_after{5};

}  // namespace

void RecentFailures::add(const std::string& task, Time now) {
  // Jobs come and go: what is over would stay for ever.
  std::erase_if(failed_, [&](const auto& failure) { return now - failure.second >= retry_after; });
  failed_[task] = now;
}

bool RecentFailures::has(const std::string& task, Time now) const {
  const auto failed = failed_.find(task);
  return failed != failed_.end() && now - failed->second < retry_after;
}

}  // namespace rekindle
