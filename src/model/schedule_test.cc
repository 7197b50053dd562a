#include "model/schedule.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

Time at(const char* text) {
  return from_iso8601(text).value();
}

std::string slot(const char* schedule, const char* now) {
  const auto last = last_slot(parse_schedule(schedule).value(), at(now));
  return last ? to_iso8601(*last) : "none";
}

TEST(Schedule, IsOpenInItsWindowOnlyAndAlwaysWithoutOne) {
  const Schedule nightly = parse_schedule("every 15m 22:00-06:00").value();
  EXPECT_TRUE(is_open(nightly, at("2026-11-22T22:00:00Z")));
  EXPECT_TRUE(is_open(nightly, at("2026-11-22T05:59:59Z")));
  EXPECT_FALSE(is_open(nightly, at("2026-11-22T06:00:00Z")));
  EXPECT_FALSE(is_open(nightly, at("2026-11-22T21:59:59Z")));
  EXPECT_TRUE(is_open(parse_schedule("daily 02:30").value(), at("2026-11-22T12:00:00Z")));
}

// Due since `began` last, as the daemon asks: what was begun before the last time, while the window is open.
bool starts(const Schedule& schedule, Time began, Time now) {
  return is_open(schedule, now) && began < last_slot(schedule, now).value();
}

// When it starts, looked for every minute from `clock` on, for so many days; "never".
std::string next_start(const char* text, Time began, ManualClock& clock, int days) {
  const Schedule schedule = parse_schedule(text).value();
  const Time end = clock.now() + std::chrono::days(days);
  for (; clock.now() < end; clock.advance(std::chrono::minutes(1))) {
    if (starts(schedule, began, clock.now())) return to_iso8601(clock.now());
  }
  return "never";
}

TEST(Schedule, ADailyOneThatWasMissedStartsInItsWindowOnly) {
  constexpr auto nightly = "daily 23:00 22:00-06:00";
  ManualClock clock(at("2026-11-26T05:59:00Z"));  // the night's was missed
  const Time began = at("2026-11-24T23:00:00Z");
  EXPECT_EQ(next_start(nightly, began, clock, 3), "2026-11-26T05:59:00.000Z") << "its window is open still";
  clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(next_start("daily 23:00", began, clock, 3), "2026-11-26T06:00:00.000Z") << "without one, at once";
  EXPECT_EQ(next_start(nightly, began, clock, 3), "2026-11-26T22:00:00.000Z") << "it waits for the next";
}

TEST(Schedule, ADailyOneThatWasDoneStartsAtItsTime) {
  ManualClock clock(at("2026-11-26T05:00:00Z"));
  EXPECT_EQ(next_start("daily 23:00 22:00-06:00", at("2026-11-25T23:00:00Z"), clock, 3),
            "2026-11-26T23:00:00.000Z");
}

// 2026-11-22 is a Sunday.
TEST(Schedule, AWeeklyOneThatWasMissedWaitsForTheWindowOfItsDay) {
  constexpr auto weekly = "weekly sun 23:00 22:00-06:00";
  const Time began = at("2026-11-15T23:00:00Z");
  ManualClock clock(at("2026-11-22T23:30:00Z"));
  EXPECT_EQ(next_start(weekly, began, clock, 10), "2026-11-22T23:30:00.000Z") << "late, in its window";
  clock.advance(at("2026-11-23T06:00:00Z") - clock.now());
  EXPECT_EQ(next_start("weekly sun 23:00", began, clock, 10), "2026-11-23T06:00:00.000Z");
  EXPECT_EQ(next_start(weekly, began, clock, 10), "2026-11-29T22:00:00.000Z") << "not in Monday's night";
}

TEST(Schedule, TheWindowOfAWeeklyOneMayOpenTheDayBefore) {
  const Schedule early = parse_schedule("weekly sun 01:00 22:00-06:00").value();
  EXPECT_FALSE(is_open(early, at("2026-11-21T21:59:59Z")));
  EXPECT_TRUE(is_open(early, at("2026-11-21T22:00:00Z"))) << "Saturday";
  EXPECT_TRUE(is_open(early, at("2026-11-22T05:59:59Z")));
  EXPECT_FALSE(is_open(early, at("2026-11-22T06:00:00Z")));
  EXPECT_FALSE(is_open(early, at("2026-11-22T23:00:00Z"))) << "Sunday's night is another";
}

TEST(Schedule, TheWindowOfAWeeklyOneMayCloseInTheNextWeek) {
  const Schedule late = parse_schedule("weekly sat 23:00 22:00-06:00").value();
  EXPECT_TRUE(is_open(late, at("2026-11-21T22:00:00Z")));
  EXPECT_TRUE(is_open(late, at("2026-11-22T05:59:59Z"))) << "Sunday, the first day of its week";
  EXPECT_FALSE(is_open(late, at("2026-11-22T06:00:00Z")));
  EXPECT_FALSE(is_open(late, at("2026-11-20T23:00:00Z")));
}

TEST(Schedule, ATimeOutsideItsWindowIsRefusedWithTheReason) {
  const auto parsed = parse_schedule("daily 12:00 22:00-06:00");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(
      parsed.error().message(),
      "'daily 12:00 22:00-06:00' would never be on time: 12:00 is not in the window 22:00-06:00; choose "
      "a time in it");
  EXPECT_FALSE(parse_schedule("weekly sun 06:00 22:00-06:00").ok()) << "its end is outside";
}

TEST(Schedule, IsWrittenAsItIsRead) {
  for (const char* text : {"manual", "after-backup", "every 15m", "every 4h", "hourly", "daily 02:30",
                           "weekly sun 02:30", "every 15m 22:00-06:00", "hourly 08:00-18:00",
                           "daily 22:00 22:00-06:00", "weekly sun 02:30 22:00-06:00"}) {
    EXPECT_EQ(to_string(parse_schedule(text).value()), text);
  }
  EXPECT_EQ(to_string(parse_schedule("every 60m").value()), "hourly");
}

TEST(Schedule, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "every",
                           "every 0m",
                           "every 25h",
                           "every m",
                           "every 15",
                           "daily",
                           "daily 24:00",
                           "daily 2:30",
                           "weekly 02:30",
                           "weekly son 02:30",
                           "hourly 08:00",
                           "manual now",
                           "manual 08:00-18:00",
                           "after-backup 08:00-18:00",
                           "daily 02:30 03:00",
                           "daily 08:00-18:00",
                           "weekly sun 02:30 02:00-03:00 now",
                           "every 15m 08:00-08:00",
                           "every 99999999999m",
                           "every -5m"}) {
    const auto parsed = parse_schedule(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid_argument);
  }
}

TEST(Schedule, PeriodsAreCountedFromMidnight) {
  EXPECT_EQ(slot("every 15m", "2026-11-26T10:44:59Z"), "2026-11-26T10:30:00.000Z");
  EXPECT_EQ(slot("every 15m", "2026-11-26T10:45:00Z"), "2026-11-26T10:45:00.000Z");
  EXPECT_EQ(slot("every 4h", "2026-11-26T03:59:00Z"), "2026-11-26T00:00:00.000Z");
  EXPECT_EQ(slot("hourly", "2026-11-26T00:00:00Z"), "2026-11-26T00:00:00.000Z");
}

TEST(Schedule, StartsOnlyInItsWindow) {
  EXPECT_EQ(slot("every 15m 22:00-06:00", "2026-11-26T12:00:00Z"), "2026-11-26T05:45:00.000Z");
  EXPECT_EQ(slot("every 15m 22:00-06:00", "2026-11-26T23:20:00Z"), "2026-11-26T23:15:00.000Z");
  EXPECT_EQ(slot("hourly 08:00-18:00", "2026-11-26T07:30:00Z"), "2026-11-25T17:00:00.000Z");
}

TEST(Schedule, DaysAndWeeks) {
  EXPECT_EQ(slot("daily 02:30", "2026-11-26T02:29:00Z"), "2026-11-25T02:30:00.000Z");
  EXPECT_EQ(slot("daily 02:30", "2026-11-26T02:30:00Z"), "2026-11-26T02:30:00.000Z");
  // 2026-11-26 is a Thursday.
  EXPECT_EQ(slot("weekly thu 02:30", "2026-11-26T02:29:00Z"), "2026-11-19T02:30:00.000Z");
  EXPECT_EQ(slot("weekly sun 02:30", "2026-11-26T12:00:00Z"), "2026-11-22T02:30:00.000Z");
  EXPECT_EQ(slot("weekly fri 00:00", "2026-11-26T12:00:00Z"), "2026-11-20T00:00:00.000Z");
}

TEST(Schedule, WhatHasNoTimeIsNeverDueByTime) {
  EXPECT_EQ(slot("manual", "2026-11-26T12:00:00Z"), "none");
  EXPECT_EQ(slot("after-backup", "2026-11-26T12:00:00Z"), "none");
}

}  // namespace
}  // namespace rekindle
