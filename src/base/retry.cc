#include "base/retry.h"

#include <algorithm>

namespace rekindle {

std::chrono::milliseconds retry_pause(const RetryPolicy& policy, int attempt, Random& random) {
  const int doublings = std::clamp(attempt - 2, 0, 20);
  const std::chrono::milliseconds bound =
      std::min<std::chrono::milliseconds>(policy.first_pause * (1LL << doublings), policy.longest_pause);
  return std::chrono::milliseconds(random.below(static_cast<std::uint64_t>(bound.count()) + 1));
}

}  // namespace rekindle
