#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using std::chrono::milliseconds;

class TokenBucketTest : public testing::Test {
 protected:
  milliseconds elapsed() { return clock.now() - start; }

  const Time start = *from_iso8601("2026-11-22T00:00:00Z");
  ManualClock clock{start};
};

TEST_F(TokenBucketTest, LetsABurstThroughWithoutWaiting) {
  TokenBucket bucket({10, 5}, clock);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(0));
}

TEST_F(TokenBucketTest, HoldsTheRateAfterTheBurst) {
  TokenBucket bucket({10, 5}, clock);
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(2000));
}

TEST_F(TokenBucketTest, SavesUpNoMoreThanTheBurst) {
  TokenBucket bucket({10, 5}, clock);
  clock.advance(std::chrono::hours(1));
  const Time before = clock.now();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(bucket.take());
  EXPECT_EQ(clock.now() - before, milliseconds(100));
}

TEST_F(TokenBucketTest, GivesMoreThanTheBurstToOneWhoWaitsForIt) {
  TokenBucket bucket({10, 5}, clock);
  EXPECT_TRUE(bucket.take_many(25));
  EXPECT_EQ(elapsed(), milliseconds(2000));
  EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(2100));
}

TEST_F(TokenBucketTest, WaitsFromZeroAfterADrain) {
  TokenBucket bucket({10, 5}, clock);
  bucket.drain();
  EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(100));
}

TEST_F(TokenBucketTest, GivesUpWhenStopped) {
  TokenBucket bucket({10, 1}, clock);
  std::stop_source stop;
  EXPECT_TRUE(bucket.take(stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(bucket.take(stop.get_token()));
}

}  // namespace
}  // namespace rekindle
