#include "model/test_expiry.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(TestExpiry, IsWrittenAsItIsRead) {
  for (const char* text : {"never", "1m", "90m", "8h", "36h", "3d", "366d"})
    EXPECT_EQ(test_expiry_text(parse_test_expiry(text).value()), text);
  EXPECT_EQ(parse_test_expiry("never").value(), minutes(0));
  EXPECT_EQ(parse_test_expiry("8h").value(), hours(8));
  EXPECT_EQ(test_expiry_text(hours(24)), "1d");
}

TEST(TestExpiry, RefusesWhatIsNone) {
  for (const char* text :
       {"", "8", "h", "0h", "-8h", "+8h", "8 h", "8hours", "1.5h", "367d", "99999999999m"}) {
    const auto parsed = parse_test_expiry(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace rekindle
