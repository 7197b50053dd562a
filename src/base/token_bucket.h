// A rate that is kept on our side: of calls, which the other side would refuse above its quota, or of bytes
// on a line that others use too.
#pragma once

#include <mutex>
#include <stop_token>

#include "base/clock.h"

namespace rekindle {

struct Rate {
  double per_second = 0;  // > 0
  double burst = 0;       // >= 1: what may come at once after a pause
};

// Any number of threads; served in the order they came.
class TokenBucket {
 public:
  // `clock` outlives this.
  TokenBucket(Rate rate, Clock& clock);

  // Waits for its turn. False when stop was requested; the turn is lost then.
  bool take(std::stop_token stop = {}) { return take_many(1, std::move(stop)); }
  // `count` turns at once, also more than the burst: those who come later wait for them.
  bool take_many(double count, std::stop_token stop = {});
  // The other side said that it is too much: what was saved up is gone.
  void drain();

 private:
  void refill();

  const Rate rate_;
  Clock& clock_;
  std::mutex mutex_;
  double tokens_;  // below zero: turns already promised
  std::chrono::nanoseconds filled_at_;
};

}  // namespace rekindle
