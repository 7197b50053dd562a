// Time comes in only through a Clock, so that a simulation can own it.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

using Time = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() = 0;
  // Monotonic, for measuring.
  virtual std::chrono::nanoseconds ticks() = 0;
  // Returns early, with false, when stop is requested.
  virtual bool sleep(std::chrono::milliseconds time, std::stop_token stop = {}) = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() override;
  std::chrono::nanoseconds ticks() override;
  bool sleep(std::chrono::milliseconds time, std::stop_token stop = {}) override;
};

// A clock that moves only when it is told to, or slept on.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start) {}
  Time now() override { return now_; }
  std::chrono::nanoseconds ticks() override { return now_.time_since_epoch(); }
  bool sleep(std::chrono::milliseconds time, std::stop_token stop = {}) override;
  void advance(std::chrono::milliseconds time) { now_ += time; }

 private:
  Time now_;
};

// "2026-11-22T07:52:30.226Z"; parsing also takes any number of fraction digits, none, or an offset of +00:00.
std::string to_iso8601(Time time);
Result<Time> from_iso8601(std::string_view text);

// "4.2 s", "3 min 10 s", "2 h 5 min": for people.
std::string human_duration(std::chrono::milliseconds time);

}  // namespace rekindle
