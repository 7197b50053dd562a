// How long an attempt of one kind of call may take, learned from those before: a limit that fits a fast line
// gives up on every block when a hundred of them share a slow one, and each of them again and again.
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>

namespace rekindle {

// Any number of threads.
class AttemptTime {
 public:
  using milliseconds = std::chrono::milliseconds;

  // From `usual`, up to `longest`.
  AttemptTime(milliseconds usual, milliseconds longest) : usual_(usual), longest_(longest), limit_(usual) {}

  milliseconds limit() const {
    const std::lock_guard lock(mutex_);
    return limit_;
  }
  // An attempt was answered: the next may take four times as long as it did, and the usual time at least.
  void answered(milliseconds took) {
    const std::lock_guard lock(mutex_);
    limit_ = std::clamp(4 * took, usual_, longest_);
  }
  // An attempt that might take `allowed` was not answered after `took`. Only time that ran out tells of a
  // slow line.
  void unanswered(milliseconds took, milliseconds allowed) {
    const std::lock_guard lock(mutex_);
    if (took >= allowed - allowed / 10) limit_ = std::max(limit_, std::min(4 * allowed, longest_));
  }

 private:
  const milliseconds usual_;
  const milliseconds longest_;
  mutable std::mutex mutex_;
  milliseconds limit_;
};

}  // namespace rekindle
