#include "base/clock.h"

#include <condition_variable>
#include <cstdio>
#include <mutex>

namespace rekindle {

using std::chrono::milliseconds;

Time SystemClock::now() {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

std::chrono::nanoseconds SystemClock::ticks() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

bool SystemClock::sleep(milliseconds time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

bool ManualClock::sleep(milliseconds time, std::stop_token stop) {
  now_ += time;
  return !stop.stop_requested();
}

std::string to_iso8601(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<Time> from_iso8601(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int used = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second,
                  &used) < 6) {
    return error(ErrorCode::invalid_argument, "'{}' is not a time like 2026-11-22T07:52:30Z", text);
  }
  std::string_view rest = text.substr(static_cast<std::size_t>(used));
  int fraction_ms = 0;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    for (int scale = 100; !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
         scale /= 10, rest.remove_prefix(1)) {
      fraction_ms += (rest[0] - '0') * scale;
    }
  }
  if (!rest.empty() && rest != "Z" && rest != "+00:00") {
    return error(ErrorCode::invalid_argument, "'{}' is not a time in UTC", text);
  }
  const auto date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  if (!date.ok()) return error(ErrorCode::invalid_argument, "'{}' is not a day of the calendar", text);
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + milliseconds(fraction_ms);
}

std::string human_duration(milliseconds time) {
  const auto seconds = time.count() / 1000;
  if (seconds < 60) return fmt::format("{:.1f} s", static_cast<double>(time.count()) / 1000);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

}  // namespace rekindle
