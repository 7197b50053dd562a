#include "cli/data_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

TEST(DataRate, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(parse_data_rate("50MiB/s").value(), 50U * 1024 * 1024);
  EXPECT_EQ(parse_data_rate("800 kB/s").value(), 800000U);
  EXPECT_EQ(parse_data_rate("1.5GB").value(), 1500000000U);
  EXPECT_EQ(parse_data_rate("4096").value(), 4096U);
  EXPECT_EQ(parse_data_rate("0").value(), 0U);
  EXPECT_EQ(parse_data_rate("").value(), 0U);
}

TEST(DataRate, RefusesWhatIsNone) {
  for (const char* text : {"fast", "-1MiB/s", "5MiB/h", "MiB/s", "1e30", "nan", "5 parsecs"}) {
    const auto refused = parse_data_rate(text);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("is not a rate like 50MiB/s"));
  }
}

}  // namespace
}  // namespace rekindle
