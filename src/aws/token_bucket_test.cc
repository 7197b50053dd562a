#include "aws/token_bucket.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using std::chrono::milliseconds;

class TokenBucketTest : public testing::Test {
 protected:
  milliseconds elapsed() { return clock_.now() - start_; }

  const Time start_ = *from_iso8601("2026-11-22T00:00:00Z");
  ManualClock clock_{start_};
};

TEST_F(TokenBucketTest, LetsABurstThroughWithoutWaiting) {
  TokenBucket bucket({10, 5}, clock_);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(0));
}

TEST_F(TokenBucketTest, HoldsTheRateAfterTheBurst) {
  TokenBucket bucket({10, 5}, clock_);
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(2000));
}

TEST_F(TokenBucketTest, SavesUpNoMoreThanTheBurst) {
  TokenBucket bucket({10, 5}, clock_);
  clock_.advance(std::chrono::hours(1));
  const Time before = clock_.now();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(bucket.take());
  EXPECT_EQ(clock_.now() - before, milliseconds(100));
}

TEST_F(TokenBucketTest, WaitsFromZeroAfterADrain) {
  TokenBucket bucket({10, 5}, clock_);
  bucket.drain();
  EXPECT_TRUE(bucket.take());
  EXPECT_EQ(elapsed(), milliseconds(100));
}

TEST_F(TokenBucketTest, GivesUpWhenStopped) {
  TokenBucket bucket({10, 1}, clock_);
  std::stop_source stop;
  EXPECT_TRUE(bucket.take(stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(bucket.take(stop.get_token()));
}

}  // namespace
}  // namespace rekindle
