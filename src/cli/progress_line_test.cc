#include "cli/progress_line.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using std::chrono::milliseconds;

TEST(ProgressText, SaysHowMuchHowFastAndHowLong) {
  EXPECT_EQ(progress_text("reading", gib, 4 * gib, milliseconds(10000)),
            "reading  1.0 GiB of 4.0 GiB, 102.4 MiB/s, 30.0 s left");
}

TEST(ProgressText, IsOnlyThePurposeWhereNoBytesMove) {
  EXPECT_EQ(progress_text("launching the instance", 0, 0, milliseconds(5000)), "launching the instance");
}

TEST(ProgressText, GuessesNoRateBeforeItCanBeKnown) {
  EXPECT_EQ(progress_text("reading", 0, 4 * mib, milliseconds(5000)), "reading  0 B of 4.0 MiB");
  EXPECT_EQ(progress_text("reading", mib, 4 * mib, milliseconds(100)), "reading  1.0 MiB of 4.0 MiB");
}

TEST(ProgressText, NeverSaysMoreThanAll) {
  EXPECT_EQ(progress_text("reading", 5 * mib, 4 * mib, milliseconds(1000)),
            "reading  4.0 MiB of 4.0 MiB, 5.0 MiB/s, 0.0 s left");
}

TEST(ProgressLine, DrawsNothingWithJson) {
  ManualClock clock{Time{}};
  ProgressLine line(clock, true);
  testing::internal::CaptureStderr();
  line.step_started({}, {"read", "backup proxy", "reading", {}});
  Progress progress;
  progress.bytes_total = mib;
  line.tick(progress);
  line.finished({});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace rekindle
