#include "base/crash_point.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace rekindle {
namespace {

// Where `wanted` kills, each in a process of its own: passes the place three times, and another one.
void pass(const char* wanted) {
  ::setenv("REKINDLE_KILL_AT", wanted, 1);
  for (int i = 0; i < 3; ++i) {
    crash_point("other");
    crash_point("place");
  }
  std::_Exit(7);
}

TEST(CrashPointDeathTest, KillsAtTheFirstTime) {
  EXPECT_EXIT(pass("place"), testing::KilledBySignal(SIGKILL), "");
}

TEST(CrashPointDeathTest, KillsAtTheTimeThatIsAskedFor) {
  EXPECT_EXIT(pass("place#3"), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(pass("place#4"), testing::ExitedWithCode(7), "");
}

TEST(CrashPointDeathTest, LeavesOthersAlone) {
  EXPECT_EXIT(pass("elsewhere"), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(pass(""), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace rekindle
