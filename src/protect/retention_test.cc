#include "protect/retention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rekindle {
namespace {

RecoveryPoint at(const std::string& time) {
  RecoveryPoint point;
  point.id = RecoveryPointId(time);
  point.time = from_iso8601(time).value();
  return point;
}

std::vector<RecoveryPoint> points(const std::vector<std::string>& times) {
  std::vector<RecoveryPoint> made;
  for (const std::string& time : times) made.push_back(at(time));
  return made;
}

std::vector<std::string> kept(const std::vector<RetentionDecision>& decisions) {
  std::vector<std::string> ids;
  for (const RetentionDecision& decision : decisions) {
    if (decision.keep) ids.push_back(decision.point.id.str());
  }
  return ids;
}

using Ids = std::vector<std::string>;

TEST(Retention, PinsWhatAFailoverThatIsNotOverNeedsToComeHome) {
  auto directory = TemporaryDirectory::make().value();
  SystemClock clock;
  const auto catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  const auto put = [&](const std::string& time, const std::string& account) {
    RecoveryPoint point = at(time);
    point.machine.name = "web";
    point.account = account;
    ASSERT_TRUE(catalog->put(point).ok());
  };
  put("2026-01-01T00:00:00Z", "");  // it was started from this one
  put("2026-01-02T00:00:00Z", "");
  put("2026-01-03T00:00:00Z", "account");
  put("2026-01-04T00:00:00Z", "account");
  Failover failover;
  failover.id = "failover-1";
  failover.machine = "web";
  failover.account = "account";
  failover.recovery_point_id = RecoveryPointId("2026-01-01T00:00:00Z");
  failover.started = from_iso8601("2026-01-02T12:00:00Z").value();
  for (const FailoverState state : {FailoverState::running, FailoverState::returned}) {
    failover.state = state;
    ASSERT_TRUE(catalog->put(failover).ok());
    const auto pinned = pinned_points(*catalog).value();
    EXPECT_EQ(pinned.size(), 2U);
    EXPECT_TRUE(pinned.contains(failover.recovery_point_id));
    EXPECT_TRUE(pinned.contains(RecoveryPointId("2026-01-04T00:00:00Z")));
  }
  failover.state = FailoverState::released;
  ASSERT_TRUE(catalog->put(failover).ok());
  EXPECT_TRUE(pinned_points(*catalog)->empty());
}

TEST(Retention, WithoutRulesKeepsAll) {
  const auto decisions = decide_retention({}, points({"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"}), {});
  EXPECT_EQ(kept(decisions), (Ids{"2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"}));
}

TEST(Retention, KeepsTheNewestOfEachDayThatHasOne) {
  const auto decisions = decide_retention({{.daily = 2}},
                                          points({"2026-01-01T10:00:00Z", "2026-01-05T01:00:00Z",
                                                  "2026-01-05T23:59:59Z", "2026-01-09T12:00:00Z"}),
                                          {});
  EXPECT_EQ(kept(decisions), (Ids{"2026-01-09T12:00:00Z", "2026-01-05T23:59:59Z"}))
      << "days without a point do not count";
  EXPECT_EQ(decisions[1].reason, "daily 2 of 2 (2026-01-05)");
  EXPECT_EQ(decisions[2].reason, "no rule keeps it");
}

TEST(Retention, AWeekBeginsOnMonday) {
  const auto decisions = decide_retention(
      {{.weekly = 3}}, points({"2026-11-16T00:00:00Z", "2026-11-22T23:00:00Z", "2026-11-23T00:00:00Z"}), {});
  EXPECT_EQ(kept(decisions), (Ids{"2026-11-23T00:00:00Z", "2026-11-22T23:00:00Z"}));
  EXPECT_EQ(decisions[1].reason, "weekly 2 of 3 (week of 2026-11-16)");
}

TEST(Retention, RulesAddUpAndOnePointMayServeSeveral) {
  const auto decisions =
      decide_retention({{.last = 1, .monthly = 2, .yearly = 2}},
                       points({"2025-06-01T00:00:00Z", "2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z"}), {});
  EXPECT_EQ(kept(decisions), (Ids{"2026-01-31T00:00:00Z", "2025-12-31T00:00:00Z"}));
  EXPECT_EQ(decisions[0].reason, "the newest, last 1 of 1, monthly 1 of 2 (2026-01), yearly 1 of 2 (2026)");
}

TEST(Retention, NeverRemovesTheNewestAHeldOneOrWhatADrCopyIsMadeOf) {
  auto made = points(
      {"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"});
  made[0].legal_hold = "case 7";
  const auto decisions = decide_retention(
      {{.yearly = 1}}, made, {{RecoveryPointId("2026-01-02T00:00:00Z"), "a DR copy is made of it"}});
  EXPECT_EQ(kept(decisions), (Ids{"2026-01-04T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"}));
  EXPECT_EQ(decisions[3].reason, "legal hold: case 7");
  EXPECT_EQ(decisions[2].reason, "a DR copy is made of it");
}

TEST(Retention, APointGoesOnlyIfEveryPolicyLetsItGo) {
  const auto made = points({"2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"});
  EXPECT_EQ(kept(decide_retention({{.last = 1}, {.yearly = 2}}, made, {})),
            (Ids{"2026-01-02T00:00:00Z", "2025-01-01T00:00:00Z"}));
  EXPECT_EQ(kept(decide_retention({{.last = 1}, {}}, made, {})).size(), 3U) << "one policy keeps all";
}

TEST(Retention, AYearOfHourlyPointsShrinksToWhatTheRulesName) {
  std::vector<RecoveryPoint> made;
  const Time start = from_iso8601("2026-01-01T00:30:00Z").value();
  for (int hour = 0; hour < 365 * 24; ++hour) {
    RecoveryPoint point;
    point.id = RecoveryPointId(fmt::format("{:05}", hour));
    point.time = start + std::chrono::hours(hour);
    made.push_back(point);
  }
  const auto decisions = decide_retention({{.hourly = 24, .daily = 7, .weekly = 4, .monthly = 12}}, made, {});
  // 24 hours of the last day; 6 more days; of 4 weeks (the last begins on Monday 28 December) 3 end before
  // those days, of which one, 27 December, is among the 7 days; 11 more months, none of whose last days is
  // there already.
  EXPECT_EQ(kept(decisions).size(), 24U + 6U + 2U + 11U);
}

}  // namespace
}  // namespace rekindle
