#include "aws/assume_role_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr auto role = "arn:aws:iam::123456789012:role/dr/rekindle";
constexpr auto caller = "arn:aws:iam::111122223333:role/proxy";

std::string refusal(const RoleTrust& trust) {
  const auto policies = assume_role_policies(trust);
  return policies.ok() ? "accepted" : policies.error().message();
}

TEST(AssumeRolePolicies, TheRoleTrustsTheCallerWhoSaysTheExternalId) {
  const json policies = assume_role_policies({role, caller, "only-we-say-this"}).value();
  EXPECT_EQ(policies.at("trust_policy"), json::parse(R"({"Version": "2012-10-17", "Statement": [{
      "Sid": "LetTheProxyActInThisRole", "Effect": "Allow", "Action": "sts:AssumeRole",
      "Principal": {"AWS": "arn:aws:iam::111122223333:role/proxy"},
      "Condition": {"StringEquals": {"sts:ExternalId": "only-we-say-this"}}}]})"));
}

TEST(AssumeRolePolicies, TheCallerMayAssumeThatRoleAndNoOther) {
  const json policies = assume_role_policies({role, caller, "only-we-say-this"}).value();
  EXPECT_EQ(policies.at("caller_policy"), json::parse(R"({"Version": "2012-10-17", "Statement": [{
      "Sid": "ActInTheRoleOfTheAccount", "Effect": "Allow", "Action": "sts:AssumeRole",
      "Resource": "arn:aws:iam::123456789012:role/dr/rekindle"}]})"));
}

TEST(AssumeRolePolicies, WithoutAnExternalIdNoneIsAskedFor) {
  const json policies = assume_role_policies({role, "arn:aws:iam::111122223333:user/ops", ""}).value();
  EXPECT_FALSE(policies.at("trust_policy").at("Statement").at(0).contains("Condition"));
}

TEST(AssumeRolePolicies, ASessionIsRefusedWithItsRole) {
  EXPECT_THAT(refusal({role, "arn:aws:sts::111122223333:assumed-role/proxy/i-0abc", "x1"}),
              HasSubstr("write the ARN of its role: arn:aws:iam::111122223333:role/proxy, with"));
}

TEST(AssumeRolePolicies, RefusesWhatCannotBe) {
  EXPECT_EQ(refusal({role, "arn:aws:iam::111122223333:root", "x1"}), "accepted");
  for (const char* wrong :
       {"", "rekindle", "arn:aws:iam::12:role/dr", "arn:aws:iam::123456789012:user/dr",
        "arn:aws:s3::123456789012:role/dr", "arn:aws:iam:eu-central-1:123456789012:role/dr"}) {
    EXPECT_THAT(refusal({wrong, caller, "x1"}), HasSubstr("is not the ARN of a role")) << wrong;
  }
  for (const char* wrong :
       {"", "*", "111122223333", "arn:aws:iam::111122223333:group/ops", "arn:aws:iam::x:root"})
    EXPECT_THAT(refusal({role, wrong, "x1"}), HasSubstr("is not who may assume a role")) << wrong;
  EXPECT_THAT(refusal({role, "arn:aws-cn:iam::111122223333:role/proxy", "x1"}), HasSubstr("partition"));
  for (const char* wrong : {"x", "two words", "\"quoted\""})
    EXPECT_THAT(refusal({role, caller, wrong}), HasSubstr("the external id must have 2 to 1224")) << wrong;
}

}  // namespace
}  // namespace rekindle
