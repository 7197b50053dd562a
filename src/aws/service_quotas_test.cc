#include "aws/service_quotas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/advisers_for_tests.h"

namespace rekindle {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// instance_type, and what else EC2 says of it
std::string instance(const std::string& type, const std::string& more = "") {
  return "<item><instanceType>" + type + "</instanceType>" + more + "</item>";
}
std::string instances(const std::vector<std::string>& items, const std::string& next = "") {
  return fmt::format(
      "<R xmlns='urn:ec2'><reservationSet><item><instancesSet>{}</instancesSet></item></reservationSet>"
      "<nextToken>{}</nextToken></R>",
      fmt::join(items, ""), next);
}
std::string types(const std::map<std::string, int>& vcpus) {
  std::string items;
  for (const auto& [type, count] : vcpus) {
    items += fmt::format(
        "<item><instanceType>{}</instanceType><vCpuInfo><defaultVCpus>{}</defaultVCpus></vCpuInfo>"
        "<memoryInfo><sizeInMiB>1024</sizeInMiB></memoryInfo></item>",
        type, count);
  }
  return "<R xmlns='urn:ec2'><instanceTypeSet>" + items + "</instanceTypeSet></R>";
}
std::string ec2_fault(std::string_view code) {
  return fmt::format(
      "<Response><Errors><Error><Code>{}</Code><Message>m</Message></Error></Errors></Response>", code);
}

class ServiceQuotasTest : public testing::Test {
 protected:
  void quota_is(double value) {
    aws.transport.answer(200, json({{"Quota", {{"QuotaCode", "L-1216C47A"}, {"Value", value}}}}).dump());
  }
  void quotas_refuse(int status, const std::string& type) {
    aws.transport.answer(status, json({{"__type", type}, {"Message", "m"}}).dump());
  }
  Result<Unproven> check(const std::vector<std::string>& wanted) {
    std::vector<LaunchSpec> specs;
    for (const std::string& type : wanted) specs.emplace_back().instance_type = type;
    return check_vcpu_quota(aws.quotas, aws.ec2, specs);
  }

  CannedAdvisers aws;
};

TEST_F(ServiceQuotasTest, WhatFitsBesideWhatRunsIsAccepted) {
  quota_is(16);
  aws.transport.answer(200, instances({instance("m6i.2xlarge")}));
  aws.transport.answer(200, types({{"m6i.2xlarge", 8}, {"t3.small", 2}, {"m6i.large", 2}}));
  EXPECT_TRUE(check({"t3.small", "t3.small", "m6i.large", "m6i.large"}).ok());
  EXPECT_EQ(aws.request(0).headers.get("X-Amz-Target"), "ServiceQuotasV20190624.GetServiceQuota");
  EXPECT_EQ(json::parse(aws.request(0).body_text()),
            json({{"ServiceCode", "ec2"}, {"QuotaCode", "L-1216C47A"}}));
  EXPECT_THAT(std::string(aws.request(0).headers.get("Authorization")),
              HasSubstr("/eu-central-1/servicequotas/aws4_request"));
}

TEST_F(ServiceQuotasTest, WhatDoesNotFitSaysWhatIsAllowedUsedAndWanted) {
  quota_is(16);
  aws.transport.answer(200, instances({instance("m6i.2xlarge")}));
  aws.transport.answer(200, types({{"m6i.2xlarge", 8}, {"t3.small", 2}}));
  const auto checked = check({"t3.small", "m6i.2xlarge"});
  EXPECT_EQ(checked.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(checked.error().message(),
              AllOf(HasSubstr("may run 16 vCPUs"), HasSubstr("8 run now"), HasSubstr("wants 10 more"),
                    HasSubstr("in eu-central-1"), HasSubstr("L-1216C47A")));
}

TEST_F(ServiceQuotasTest, AllPagesOfWhatRunsAreCounted) {
  quota_is(7);
  aws.transport.answer(200, instances({instance("t3.small"), instance("t3.small")}, "more"));
  aws.transport.answer(200, instances({instance("t3.small")}));
  aws.transport.answer(200, types({{"t3.small", 2}}));
  EXPECT_THAT(check({"t3.small"}).error().message(), HasSubstr("6 run now"));
  EXPECT_EQ(aws.transport.form(1, "Filter.1.Name"), "instance-state-name");
  EXPECT_EQ(aws.transport.form(1, "Filter.1.Value.1"), "pending");
  EXPECT_EQ(aws.transport.form(1, "Filter.1.Value.2"), "running");
  EXPECT_EQ(aws.transport.form(2, "NextToken"), "more");
}

TEST_F(ServiceQuotasTest, SpotInstancesHostsAndOtherFamiliesDoNotCount) {
  quota_is(4);
  aws.transport.answer(
      200,
      instances({instance("m6i.large"), instance("m6i.large", "<instanceLifecycle>spot</instanceLifecycle>"),
                 instance("m6i.large", "<placement><tenancy>host</tenancy></placement>"),
                 instance("g5.xlarge")}));
  aws.transport.answer(200, types({{"m6i.large", 2}, {"g5.xlarge", 4}}));
  EXPECT_TRUE(check({"m6i.large", "p4d.24xlarge"}).ok());
  EXPECT_EQ(aws.transport.form(2, "Filter.1.Value.1"), "m6i.large");
  EXPECT_EQ(aws.transport.form(2, "Filter.1.Value.2"), "");
}

TEST_F(ServiceQuotasTest, WithoutStandardTypesNobodyIsAsked) {
  const auto checked = check({"g5.xlarge", "g5.xlarge"});
  ASSERT_TRUE(checked.ok());
  EXPECT_THAT(*checked, ElementsAre(HasSubstr("instance type g5.xlarge was not asked")));
  EXPECT_TRUE(check({}).ok());
  EXPECT_TRUE(aws.transport.requests().empty());
}

TEST_F(ServiceQuotasTest, AnAccountWithoutOneHasTheDefault) {
  quotas_refuse(400, "NoSuchResourceException");
  quota_is(5);
  aws.transport.answer(200, instances({instance("t3.small"), instance("t3.small")}));
  aws.transport.answer(200, types({{"t3.small", 2}}));
  EXPECT_THAT(check({"t3.small"}).error().message(), HasSubstr("may run 5 vCPUs"));
  EXPECT_EQ(aws.request(1).headers.get("X-Amz-Target"), "ServiceQuotasV20190624.GetAWSDefaultServiceQuota");
}

TEST_F(ServiceQuotasTest, WhereNobodyMayAskNothingIsRefused) {
  quotas_refuse(400, "AccessDeniedException");
  const auto denied = check({"t3.small"});
  ASSERT_TRUE(denied.ok());
  EXPECT_THAT(*denied, ElementsAre(HasSubstr("whether the quota of vCPUs allows it was not asked")));
  quotas_refuse(501, "NotImplemented");
  EXPECT_TRUE(check({"t3.small"}).ok());
  quotas_refuse(400, "NoSuchResourceException");
  quotas_refuse(400, "NoSuchResourceException");
  EXPECT_TRUE(check({"t3.small"}).ok());
  aws.transport.answer(200, "{}");
  EXPECT_TRUE(check({"t3.small"}).ok());
  aws.transport.lose_connection();
  aws.transport.lose_connection();
  EXPECT_TRUE(check({"t3.small"}).ok());
  quota_is(1);
  aws.transport.answer(403, ec2_fault("UnauthorizedOperation"));
  EXPECT_TRUE(check({"t3.small"}).ok()) << "who may not see what runs cannot count it";
  EXPECT_EQ(aws.transport.unused(), 0U);
}

TEST_F(ServiceQuotasTest, AWrongKeyIsAnError) {
  quota_is(1);
  aws.transport.answer(401, ec2_fault("AuthFailure"));
  EXPECT_EQ(check({"t3.small"}).error().code(), ErrorCode::unauthenticated);
}

TEST(StandardType, IsOfTheFamiliesThatShareTheQuota) {
  for (const char* type : {"a1.large", "c6i.large", "d3en.xlarge", "h1.2xlarge", "i4i.large", "im4gn.large",
                           "is4gen.large", "m7i-flex.large", "r6i.large", "t3.small", "z1d.large"})
    EXPECT_TRUE(is_standard_type(type)) << type;
  for (const char* type :
       {"mac1.metal", "inf1.xlarge", "trn1.2xlarge", "dl1.24xlarge", "hpc7a.48xlarge", "g5.xlarge",
        "p4d.24xlarge", "x2idn.16xlarge", "u-6tb1.metal", "f1.2xlarge", "", "t"})
    EXPECT_FALSE(is_standard_type(type)) << type;
}

}  // namespace
}  // namespace rekindle
