// How to try again: full jitter over a doubling, capped pause.
#pragma once

#include <chrono>
#include <stop_token>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace rekindle {

struct RetryPolicy {
  int attempts = 6;                            // calls at most, the first one included
  std::chrono::milliseconds first_pause{100};  // upper bound of the first pause; doubles
  std::chrono::milliseconds longest_pause{20000};
};

// The pause before attempt number `attempt` (2 = the first retry): uniform in [0, min(first * 2^n, longest)].
std::chrono::milliseconds retry_pause(const RetryPolicy& policy, int attempt, Random& random);

// Calls `call` until it succeeds, fails with an error that is not transient(), the attempts are used up, or
// stop is requested; returns the last result.
template <typename Call>
auto with_retries(const RetryPolicy& policy, Clock& clock, Random& random, std::stop_token stop, Call&& call)
    -> decltype(call()) {
  for (int attempt = 1;; ++attempt) {
    auto result = call();
    if (result.ok() || !result.error().transient() || attempt >= policy.attempts) return result;
    if (!clock.sleep(retry_pause(policy, attempt + 1, random), stop)) return result;
  }
}

}  // namespace rekindle
