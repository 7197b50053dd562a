#include "aws/aws_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(AwsProfiles, AreSectionsOfKeysAndValues) {
  const auto sections = parse_aws_profiles(
      "before = any section\n"
      "# a comment\n; another\n[ default ]\r\n a = nested\r\nregion = eu-central-1 # where\r\n"
      "no value\nempty =\n[profile a b]\nkey=a=b#c\nkey = last");
  ASSERT_EQ(sections.size(), 2U);
  EXPECT_THAT(sections.at("default"), ElementsAre(Pair("empty", ""), Pair("region", "eu-central-1")));
  EXPECT_THAT(sections.at("profile a b"), ElementsAre(Pair("key", "last")));
}

TEST(AwsProfiles, OfNonsenseAreFew) {
  EXPECT_TRUE(parse_aws_profiles("").empty());
  EXPECT_TRUE(parse_aws_profiles("\n=\n = \n").empty());
  EXPECT_EQ(parse_aws_profiles("[").size(), 1U);
  EXPECT_EQ(parse_aws_profiles("[open\n=x").begin()->first, "open");
}

}  // namespace
}  // namespace rekindle
