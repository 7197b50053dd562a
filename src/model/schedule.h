// When something is to be done: how users say it, and when it is due. Times of day are UTC.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace rekindle {

enum class ScheduleKind { manual, after_backup, every, daily, weekly };

struct Schedule {
  ScheduleKind kind = ScheduleKind::manual;
  std::chrono::minutes period{0};  // of every: on the full hour for 60
  std::chrono::minutes at{0};      // of daily and weekly: after midnight
  int weekday = 0;                 // of weekly: 0 is Sunday
  // Starts only between these times of day; the same: always. May go over midnight. Of every, daily and
  // weekly.
  std::chrono::minutes window_begin{0};
  std::chrono::minutes window_end{0};

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// "manual", "after-backup", "every 15m", "every 4h", "hourly", "daily 02:30", "weekly sun 02:30"; in a window
// "every 15m 22:00-06:00", "daily 23:00 22:00-06:00", "weekly sun 23:00 22:00-06:00". `invalid_argument` says
// how to write one. The time of daily and weekly lies in their window: it would never be kept.
Result<Schedule> parse_schedule(std::string_view text);
std::string to_string(const Schedule& schedule);  // parses to the same

// The last instant up to `now` at which it was to be done; none for manual and after_backup. Something that
// last began before that instant is due: so an outage is caught up with once, not once for each time missed.
std::optional<Time> last_slot(const Schedule& schedule, Time now);

// Whether something may start now: false outside a schedule's window, also for what was missed or failed in
// it, which waits until the window opens again. That of weekly opens once a week: the one in which its time
// lies. Always true without a window, so that those schedules are caught up with at any time.
bool is_open(const Schedule& schedule, Time now);

}  // namespace rekindle
