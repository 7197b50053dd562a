#include "aws/gone.h"

#include <gtest/gtest.h>

#include <deque>

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class GoneTest : public testing::Test {
 protected:
  // What the calls say, one after the other.
  Result<> remove() {
    return remove_or_gone(
        recent, "snap-1", [&](milliseconds) { return next(removals); },
        [&](milliseconds settle_for) {
          looked_for = settle_for;
          clock.sleep(settle_for);
          return next(looks);
        });
  }
  static Result<> next(std::deque<Result<>>& answers) {
    Result<> answer = answers.front();
    answers.pop_front();
    return answer;
  }

  const Error refused = error(ErrorCode::permission_denied, "no");
  const Error absent = error(ErrorCode::not_found, "gone");
  ManualClock clock{*from_iso8601("2026-11-22T12:00:00Z")};
  RecentlyMade recent{clock, seconds(120)};
  std::deque<Result<>> removals, looks;
  milliseconds looked_for{-1};
};

TEST_F(GoneTest, WhatIsOldAndAbsentIsGoneAtOnce) {
  removals = {refused};
  looks = {absent};
  EXPECT_EQ(remove().error().code(), ErrorCode::not_found);
  EXPECT_EQ(looked_for.count(), 0);
}

TEST_F(GoneTest, WhatIsThereAndOldStaysRefused) {
  removals = {refused};
  looks = {Result<>()};
  EXPECT_EQ(remove().error().code(), ErrorCode::permission_denied);
  EXPECT_TRUE(removals.empty() && looks.empty());
}

TEST_F(GoneTest, OtherErrorsAreNotLookedInto) {
  removals = {error(ErrorCode::unavailable, "lost"), Result<>()};
  EXPECT_EQ(remove().error().code(), ErrorCode::unavailable);
  EXPECT_TRUE(remove().ok());
  EXPECT_EQ(looked_for.count(), -1);
}

TEST_F(GoneTest, WhatWasMadeAMomentAgoIsRemovedOnceItCanBeSeen) {
  recent.note("snap-1");
  removals = {refused, Result<>()};
  looks = {Result<>()};
  EXPECT_TRUE(remove().ok());
  EXPECT_TRUE(removals.empty());
}

TEST_F(GoneTest, ThatIsTriedOnce) {
  recent.note("snap-1");
  removals = {refused, refused};
  looks = {Result<>()};
  EXPECT_EQ(remove().error().code(), ErrorCode::permission_denied);
}

// Else it would be forgotten and stay for ever.
TEST_F(GoneTest, WhatWasMadeAMomentAgoAndCannotBeSeenIsNotTakenForGone) {
  recent.note("snap-1");
  removals = {refused};
  looks = {absent};
  EXPECT_EQ(remove().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(looked_for, longest_look);
}

TEST_F(GoneTest, IsGoneWhenItCannotBeSeenUntilItIsOld) {
  recent.note("snap-1");
  clock.sleep(seconds(115));
  removals = {refused};
  looks = {absent};
  EXPECT_EQ(remove().error().code(), ErrorCode::not_found);
  EXPECT_EQ(looked_for, seconds(5));
}

}  // namespace
}  // namespace rekindle
