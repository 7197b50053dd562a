#include "aws/list_prices.h"

#include <gtest/gtest.h>

namespace rekindle {
namespace {

TEST(ListPrices, HaveWhatIsProposedAndWhatACopyIsMadeOf) {
  const Prices prices = aws_list_prices();
  EXPECT_DOUBLE_EQ(prices.instance_hour.at("t3.small"), 0.0208);
  EXPECT_DOUBLE_EQ(prices.instance_hour.at("m6i.large"), 0.096);
  EXPECT_DOUBLE_EQ(prices.instance_hour.at("m6i.4xlarge"), 0.768);
  EXPECT_DOUBLE_EQ(prices.instance_hour.at("c6i.32xlarge"), 5.44);
  EXPECT_DOUBLE_EQ(prices.instance_hour.at("r6i.24xlarge"), 6.048);
  EXPECT_TRUE(prices.volumes.contains(prices.volume_type));
  EXPECT_TRUE(prices.instance_hour.contains(prices.proxy_instance_type));
  EXPECT_FALSE(prices.source.empty());
}

// https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-pricing.html: 2,097,152 blocks are $12.58.
TEST(ListPrices, OfATebibyteWrittenAreThoseOfTheManual) {
  EXPECT_NEAR(aws_list_prices().image_put_1000 * 2097152 / 1000, 12.58, 0.01);
  EXPECT_NEAR(aws_list_prices().image_get_1000 * 2097152 / 1000, 6.29, 0.01);
}

}  // namespace
}  // namespace rekindle
