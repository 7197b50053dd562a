#include "aws/call_quota.h"

#include <algorithm>
#include <cmath>

namespace rekindle {

namespace {

// As TCP does it: down by a factor, up by steps.
constexpr double slower = 0.7;
constexpr double slowest = 0.02;  // of what was granted
// Calls that were sent before the rate fell are answered within this: they say nothing new.
constexpr std::chrono::milliseconds reaction{1000};

}  // namespace

CallQuota::CallQuota(Rate granted, Clock& clock)
    : granted_(granted),
      clock_(clock),
      per_second_(granted.per_second),
      tokens_(granted.burst),
      filled_at_(clock.ticks()),
      slowed_at_(filled_at_ - reaction) {
  CHECK(granted.per_second > 0 && granted.burst >= 1);
}

void CallQuota::refill() {
  const auto now = clock_.ticks();
  const double seconds = std::max(0.0, std::chrono::duration<double>(now - filled_at_).count());
  tokens_ = std::min(granted_.burst, tokens_ + seconds * per_second_);
  const double regained = granted_.per_second * seconds / std::chrono::duration<double>(recovery).count();
  per_second_ = std::min(granted_.per_second, per_second_ + regained);
  filled_at_ = now;
}

bool CallQuota::take(std::stop_token stop) {
  double wait_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    refill();
    tokens_ -= 1;
    wait_ms = std::ceil(-tokens_ / per_second_ * 1000);
  }
  if (wait_ms <= 0) return !stop.stop_requested();
  return clock_.sleep(std::chrono::milliseconds(static_cast<std::int64_t>(wait_ms)), std::move(stop));
}

void CallQuota::throttled() {
  const std::lock_guard lock(mutex_);
  refill();
  tokens_ = std::min(tokens_, 0.0);
  if (filled_at_ - slowed_at_ < reaction) return;
  slowed_at_ = filled_at_;
  per_second_ = std::max(per_second_ * slower, granted_.per_second * slowest);
}

double CallQuota::per_second() {
  const std::lock_guard lock(mutex_);
  refill();
  return per_second_;
}

}  // namespace rekindle
