#include "aws/call_quota.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CallQuotaTest : public testing::Test {
 protected:
  milliseconds elapsed() { return clock.now() - start; }
  // How long so many turns take.
  milliseconds time_for(int turns) {
    const Time before = clock.now();
    for (int i = 0; i < turns; ++i) EXPECT_TRUE(quota.take());
    return clock.now() - before;
  }

  const Time start = *from_iso8601("2026-11-22T00:00:00Z");
  ManualClock clock{start};
  CallQuota quota{{100, 5}, clock};
};

TEST_F(CallQuotaTest, LetsItsBurstThroughAndThenHoldsTheRate) {
  EXPECT_EQ(time_for(5), milliseconds(0));
  EXPECT_EQ(time_for(100), seconds(1));
}

TEST_F(CallQuotaTest, IsSlowerAfterThrottlingAndWithoutABurst) {
  quota.throttled();
  EXPECT_DOUBLE_EQ(quota.per_second(), 70);
  EXPECT_GE(time_for(1), milliseconds(14)) << "what was saved up is gone";
}

TEST_F(CallQuotaTest, TakesTheAnswersToCallsUnderWayForOne) {
  for (int i = 0; i < 50; ++i) quota.throttled();
  EXPECT_DOUBLE_EQ(quota.per_second(), 70);
}

TEST_F(CallQuotaTest, FallsFurtherWhileAwsRepeatsItselfButNeverStops) {
  double before = quota.per_second();
  for (int i = 0; i < 5; ++i) {
    quota.throttled();
    EXPECT_LT(quota.per_second(), before);
    before = quota.per_second();
    clock.advance(seconds(1));
  }
  for (int i = 0; i < 100; ++i) {
    clock.advance(seconds(1));
    quota.throttled();
  }
  EXPECT_GE(quota.per_second(), 2);
}

TEST_F(CallQuotaTest, IsWhatWasGrantedAgainAfterAWhileAndNoMore) {
  quota.throttled();
  clock.advance(seconds(9));
  EXPECT_NEAR(quota.per_second(), 85, 0.01);
  clock.advance(seconds(100));
  EXPECT_DOUBLE_EQ(quota.per_second(), 100);
}

TEST_F(CallQuotaTest, GivesUpWhenStopped) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(quota.take(stop.get_token()));
  EXPECT_EQ(elapsed(), milliseconds(0));
}

}  // namespace
}  // namespace rekindle
