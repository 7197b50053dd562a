#include "cli/recent_failures.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

const Time now{std::chrono::hours(1000)};

TEST(RecentFailures, WaitFiveMinutes) {
  RecentFailures failures;
  EXPECT_FALSE(failures.has("replicate dr web", now));
  failures.add("replicate dr web", now);
  EXPECT_TRUE(failures.has("replicate dr web", now));
  EXPECT_TRUE(failures.has("replicate dr web", now + minutes(5) - milliseconds(1)));
  EXPECT_FALSE(failures.has("replicate dr web", now + minutes(5)));
}

TEST(RecentFailures, AreOfATaskAndNotOfItsMachine) {
  RecentFailures failures;
  failures.add("replicate dr web", now);
  EXPECT_FALSE(failures.has("failover_cleanup failover-1 web", now));
  EXPECT_FALSE(failures.has("replicate other web", now));
  failures.add("failover_cleanup failover-1 web", now + minutes(1));
  EXPECT_TRUE(failures.has("replicate dr web", now + minutes(4))) << "it has its own time";
}

TEST(RecentFailures, EndWithASuccessAndBeginAnewWithAFailure) {
  RecentFailures failures;
  failures.add("replicate dr web", now);
  failures.remove("replicate dr web");
  EXPECT_FALSE(failures.has("replicate dr web", now));
  failures.add("replicate dr web", now);
  failures.add("replicate dr web", now + minutes(6));
  EXPECT_TRUE(failures.has("replicate dr web", now + minutes(10)));
}

}  // namespace
}  // namespace rekindle
