#include "base/ipv4.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

TEST(Ipv4, IsReadAndWritten) {
  EXPECT_EQ(parse_ipv4("10.0.1.20"), 0x0a000114U);
  EXPECT_EQ(ipv4_text(0xc0a80707U), "192.168.7.7");
  for (const char* wrong : {"", "10.0.1", "10.0.1.256", "10.0.1.20 ", "10.0.1.20/24", "::1", "web"})
    EXPECT_EQ(parse_ipv4(wrong), std::nullopt) << wrong;
}

TEST(Ipv4, ARangeHasASize) {
  const auto range = parse_ipv4_range("10.0.1.0/24");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->network, 0x0a000100U);
  EXPECT_EQ(range->size(), 256U);
  for (const char* wrong : {"10.0.1.0", "10.0.1.0/", "10.0.1.0/0", "10.0.1.0/32", "10.0.1.0/2x", "/24"})
    EXPECT_FALSE(parse_ipv4_range(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace rekindle
