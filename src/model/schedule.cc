#include "model/schedule.h"

#include <array>
#include <charconv>
#include <vector>

namespace rekindle {

namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;

constexpr std::array<std::string_view, 7> weekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr minutes day{24 * 60};
constexpr minutes longest_period = day;

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  return words;
}

std::optional<int> parse_number(std::string_view text) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && value >= 0;
  return whole ? std::optional(value) : std::nullopt;
}

// "02:30"
std::optional<minutes> parse_time_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_number(text.substr(0, 2));
  const auto minute = parse_number(text.substr(3));
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  return hours(*hour) + minutes(*minute);
}

// "15m", "4h"
std::optional<minutes> parse_period(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto number = parse_number(text.substr(0, text.size() - 1));
  if (!number || *number == 0 || *number > longest_period.count()) return std::nullopt;
  const char unit = text.back();
  if (unit != 'm' && unit != 'h') return std::nullopt;
  const minutes period = unit == 'h' ? minutes(hours(*number)) : minutes(*number);
  return period <= longest_period ? std::optional(period) : std::nullopt;
}

std::optional<int> parse_weekday(std::string_view text) {
  for (std::size_t i = 0; i < weekdays.size(); ++i) {
    if (weekdays[i] == text) return static_cast<int>(i);
  }
  return std::nullopt;
}

bool parse_window(std::string_view text, Schedule& schedule) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return false;
  const auto begin = parse_time_of_day(text.substr(0, dash));
  const auto end = parse_time_of_day(text.substr(dash + 1));
  if (!begin || !end || *begin == *end) return false;
  schedule.window_begin = *begin;
  schedule.window_end = *end;
  return true;
}

// The last word, where there is one more than `length`: a window.
bool parse_rest(const std::vector<std::string_view>& words, std::size_t length, Schedule& schedule) {
  if (words.size() == length) return true;
  return words.size() == length + 1 && parse_window(words[length], schedule);
}

// "hourly", "every 15m"
std::optional<Schedule> parse_every(const std::vector<std::string_view>& words) {
  const std::size_t length = words[0] == "hourly" ? 1 : 2;
  if (words.size() < length) return std::nullopt;
  const auto period = length == 1 ? std::optional(minutes(60)) : parse_period(words[1]);
  Schedule schedule{ScheduleKind::every};
  if (!period || !parse_rest(words, length, schedule)) return std::nullopt;
  schedule.period = *period;
  return schedule;
}

// "daily 02:30", "weekly sun 02:30"
std::optional<Schedule> parse_at(const std::vector<std::string_view>& words) {
  const bool weekly = words[0] == "weekly";
  const std::size_t length = weekly ? 3 : 2;
  if (words.size() < length) return std::nullopt;
  const auto at = parse_time_of_day(words[length - 1]);
  const auto weekday = weekly ? parse_weekday(words[1]) : std::optional(0);
  Schedule schedule{weekly ? ScheduleKind::weekly : ScheduleKind::daily};
  if (!at || !weekday || !parse_rest(words, length, schedule)) return std::nullopt;
  schedule.at = *at;
  schedule.weekday = *weekday;
  return schedule;
}

std::optional<Schedule> parse_words(const std::vector<std::string_view>& words) {
  if (words.empty()) return std::nullopt;
  if (words.size() == 1 && words[0] == "manual") return Schedule{};
  if (words.size() == 1 && words[0] == "after-backup") return Schedule{ScheduleKind::after_backup};
  if (words[0] == "hourly" || words[0] == "every") return parse_every(words);
  if (words[0] == "daily" || words[0] == "weekly") return parse_at(words);
  return std::nullopt;
}

std::string time_of_day(minutes at) {
  return fmt::format("{:02}:{:02}", at.count() / 60, at.count() % 60);
}

std::string window_of(const Schedule& schedule) {
  return time_of_day(schedule.window_begin) + "-" + time_of_day(schedule.window_end);
}

bool has_window(const Schedule& schedule) {
  return schedule.window_begin != schedule.window_end;
}

bool in_window(const Schedule& schedule, minutes at) {
  if (!has_window(schedule)) return true;
  if (schedule.window_begin < schedule.window_end) {
    return at >= schedule.window_begin && at < schedule.window_end;
  }
  return at >= schedule.window_begin || at < schedule.window_end;
}

minutes after(minutes begin, minutes end, minutes circle) {
  return (end - begin + circle) % circle;
}

// Of weekly: in the one window of the week in which its time lies, which may have opened the day before.
bool in_window_of_week(const Schedule& schedule, Time now) {
  constexpr minutes week = 7 * day;
  const auto today = floor<days>(now);
  const auto weekday = static_cast<int>(std::chrono::weekday(today).c_encoding());
  const minutes moment = weekday * day + floor<minutes>(now - today);
  const minutes slot = schedule.weekday * day + schedule.at;
  const minutes opens = slot - after(schedule.window_begin, schedule.at, day);
  return after(opens, moment, week) < after(schedule.window_begin, schedule.window_end, day);
}

// Counted from midnight, so that "every 4h" is at 0, 4, 8 ... and does not wander.
std::optional<Time> last_period(const Schedule& schedule, Time now) {
  const auto today = floor<days>(now);
  // Up to two days back: a window may be open for minutes of a day only.
  for (auto midnight : {today, today - days(1)}) {
    const minutes until = midnight == today ? floor<minutes>(now - midnight) : day - minutes(1);
    for (minutes at = until / schedule.period * schedule.period; at.count() >= 0; at -= schedule.period) {
      if (in_window(schedule, at)) return midnight + at;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view text) {
  const auto parsed = parse_words(words_of(text));
  if (!parsed) {
    return error(
        ErrorCode::invalid_argument,
        "'{}' is not a schedule; write manual, after-backup, \"every 15m\", \"every 4h\", hourly, \"daily "
        "02:30\" or \"weekly sun 02:30\", the last five also with a window: \"every 15m 22:00-06:00\", "
        "\"daily 23:00 22:00-06:00\"; times are UTC",
        text);
  }
  const bool has_time = parsed->kind == ScheduleKind::daily || parsed->kind == ScheduleKind::weekly;
  if (has_time && !in_window(*parsed, parsed->at)) {
    return error(ErrorCode::invalid_argument,
                 "'{}' would never be on time: {} is not in the window {}; choose a time in it", text,
                 time_of_day(parsed->at), window_of(*parsed));
  }
  return *parsed;
}

std::string to_string(const Schedule& schedule) {
  const std::string window = has_window(schedule) ? " " + window_of(schedule) : "";
  switch (schedule.kind) {
    case ScheduleKind::manual:
      return "manual";
    case ScheduleKind::after_backup:
      return "after-backup";
    case ScheduleKind::every: {
      const auto period = schedule.period.count();
      if (period == 60) return "hourly" + window;
      return (period % 60 == 0 ? fmt::format("every {}h", period / 60) : fmt::format("every {}m", period)) +
             window;
    }
    case ScheduleKind::daily:
      return "daily " + time_of_day(schedule.at) + window;
    case ScheduleKind::weekly:
      return fmt::format("weekly {} {}{}", weekdays.at(static_cast<std::size_t>(schedule.weekday)),
                         time_of_day(schedule.at), window);
  }
  return "manual";
}

bool is_open(const Schedule& schedule, Time now) {
  if (!has_window(schedule)) return true;
  if (schedule.kind == ScheduleKind::weekly) return in_window_of_week(schedule, now);
  return in_window(schedule, floor<minutes>(now - floor<days>(now)));
}

std::optional<Time> last_slot(const Schedule& schedule, Time now) {
  const auto today = floor<days>(now);
  switch (schedule.kind) {
    case ScheduleKind::manual:
    case ScheduleKind::after_backup:
      return std::nullopt;
    case ScheduleKind::every:
      return last_period(schedule, now);
    case ScheduleKind::daily:
      return today + schedule.at <= now ? today + schedule.at : today - days(1) + schedule.at;
    case ScheduleKind::weekly: {
      const auto weekday = static_cast<int>(std::chrono::weekday(today).c_encoding());
      const Time slot = today - days((weekday - schedule.weekday + 7) % 7) + schedule.at;
      return slot <= now ? slot : slot - days(7);
    }
  }
  return std::nullopt;
}

}  // namespace rekindle
