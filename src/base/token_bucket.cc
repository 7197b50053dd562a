#include "base/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace rekindle {

TokenBucket::TokenBucket(Rate rate, Clock& clock)
    : rate_(rate), clock_(clock), tokens_(rate.burst), filled_at_(clock.ticks()) {
  CHECK(rate.per_second > 0 && rate.burst >= 1);
}

void TokenBucket::refill() {
  const auto now = clock_.ticks();
  const double seconds = std::chrono::duration<double>(now - filled_at_).count();
  tokens_ = std::min(rate_.burst, tokens_ + std::max(0.0, seconds) * rate_.per_second);
  filled_at_ = now;
}

bool TokenBucket::take_many(double count, std::stop_token stop) {
  double owed = 0;
  {
    const std::lock_guard lock(mutex_);
    refill();
    tokens_ -= count;
    owed = -tokens_;
  }
  if (owed <= 0) return !stop.stop_requested();
  const auto wait =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(owed / rate_.per_second * 1000)));
  return clock_.sleep(wait, std::move(stop));
}

void TokenBucket::drain() {
  const std::lock_guard lock(mutex_);
  refill();
  tokens_ = std::min(tokens_, 0.0);
}

}  // namespace rekindle
