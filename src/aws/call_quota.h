// The rate at which AWS lets an account call. Kept on our side; where AWS grants less than we think, or
// others use the account too, it goes down, and slowly up again.
#pragma once

#include <mutex>
#include <stop_token>

#include "base/clock.h"
#include "base/token_bucket.h"

namespace rekindle {

// Any number of threads; served in the order they came.
class CallQuota {
 public:
  // `clock` outlives this. `granted`: never more than this.
  CallQuota(Rate granted, Clock& clock);

  // Waits for the turn of one attempt. False when stop was requested; the turn is lost then.
  bool take(std::stop_token stop = {});
  // AWS said that it was too much: what was saved up is gone, and the rate falls, once for all that were
  // under way together. Within `recovery` it is what was granted again, if AWS does not repeat itself.
  void throttled();

  double per_second();  // now

  static constexpr std::chrono::seconds recovery{60};

 private:
  void refill();

  const Rate granted_;
  Clock& clock_;
  std::mutex mutex_;
  double per_second_;
  double tokens_;  // below zero: turns already promised
  std::chrono::nanoseconds filled_at_;
  std::chrono::nanoseconds slowed_at_;
};

}  // namespace rekindle
