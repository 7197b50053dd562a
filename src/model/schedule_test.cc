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

TEST(Schedule, IsWrittenAsItIsRead) {
  for (const char* text : {"manual", "after-backup", "every 15m", "every 4h", "hourly", "daily 02:30",
                           "weekly sun 02:30", "every 15m 22:00-06:00", "hourly 08:00-18:00"}) {
    EXPECT_EQ(to_string(parse_schedule(text).value()), text);
  }
  EXPECT_EQ(to_string(parse_schedule("every 60m").value()), "hourly");
}

TEST(Schedule, RefusesWhatIsNone) {
  for (const char* text : {"", "every", "every 0m", "every 25h", "every m", "every 15", "daily",
                           "daily 24:00", "daily 2:30", "weekly 02:30", "weekly son 02:30", "hourly 08:00",
                           "manual now", "every 15m 08:00-08:00", "every 99999999999m", "every -5m"}) {
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
