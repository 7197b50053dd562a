#include "aws/account_quotas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/advisers_for_tests.h"

namespace rekindle {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string volumes(const std::vector<int>& sizes_gib) {
  std::string items;
  for (const int size : sizes_gib) items += fmt::format("<item><size>{}</size></item>", size);
  return "<R xmlns='urn:ec2'><volumeSet>" + items + "</volumeSet></R>";
}
std::string snapshots(int count, const std::string& next = "") {
  std::string items;
  for (int i = 0; i < count; ++i) items += "<item/>";
  return fmt::format("<R xmlns='urn:ec2'><snapshotSet>{}</snapshotSet><nextToken>{}</nextToken></R>", items,
                     next);
}

// Storage is asked for first, then snapshots, then the pending ones.
class EbsQuotasTest : public testing::Test {
 protected:
  void quota_is(double value) { aws.transport.answer(200, json({{"Quota", {{"Value", value}}}}).dump()); }
  void is_used(double quota, const std::string& use) {
    quota_is(quota);
    aws.transport.answer(200, use);
  }
  Result<Unproven> check(const std::string& type, std::uint64_t wanted_gib, std::size_t disks = 1) {
    LaunchSpec spec;
    spec.volumes.type = type;
    spec.volumes_bytes = wanted_gib * gib;
    spec.disks = disks;
    return check_ebs_quotas(aws.quotas, aws.ec2, {spec});
  }
  json asked(std::size_t request) { return json::parse(aws.request(request).body_text()); }

  CannedAdvisers aws;
};

TEST_F(EbsQuotasTest, WhatFitsIsAccepted) {
  is_used(50, volumes({1024, 1024}));
  is_used(100000, snapshots(3));
  is_used(100, snapshots(0));
  const auto checked = check("", 1024);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(*checked, IsEmpty());
  EXPECT_EQ(asked(0), json({{"ServiceCode", "ebs"}, {"QuotaCode", "L-7A658B76"}}));
  EXPECT_EQ(aws.transport.form(1, "Filter.1.Name"), "volume-type");
  EXPECT_EQ(aws.transport.form(1, "Filter.1.Value.1"), "gp3") << "as templates are registered";
  EXPECT_EQ(asked(2).at("QuotaCode"), "L-309BACF6");
  EXPECT_EQ(aws.transport.form(3, "Owner.1"), "self");
  EXPECT_EQ(asked(4).at("QuotaCode"), "L-94D7AB7D");
  EXPECT_EQ(aws.transport.form(5, "Filter.1.Value.1"), "pending");
  EXPECT_EQ(aws.transport.unused(), 0U);
}

TEST_F(EbsQuotasTest, AllThatDoesNotFitIsSaidAtOnce) {
  is_used(2, volumes({1024}));
  is_used(5, snapshots(4));
  is_used(100, snapshots(0));
  const auto checked = check("io2", 1536, 2);
  EXPECT_EQ(checked.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(
      checked.error().message(),
      AllOf(HasSubstr("may have 2 TiB of io2 volumes in eu-central-1; 1 are there, and the plan wants "
                      "1.5 more"),
            HasSubstr("L-09BD8365"), Not(HasSubstr("snapshots"))));
}

TEST_F(EbsQuotasTest, WithoutRoomForSnapshotsAFailoverWorksAndAReplicationDoesNot) {
  is_used(2, volumes({}));
  is_used(5, snapshots(4));
  is_used(100, snapshots(0));
  const auto checked = check("gp3", 1, 2);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(*checked,
              ElementsAre(HasSubstr("may have 5 snapshots and has 4, so that no new DR copy can be made")));
}

TEST_F(EbsQuotasTest, WhatIsNearlyUsedUpIsToldInTime) {
  is_used(2, volumes({1024}));
  is_used(100, snapshots(79));
  is_used(100, snapshots(81));
  const auto checked = check("gp3", 717);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(*checked, ElementsAre(HasSubstr("of 2 TiB of gp3 volumes would be used"),
                                    HasSubstr("81 of the 100 snapshots that may be pending")))
      << "80 of 100 snapshots are no more than 80 %";
}

TEST_F(EbsQuotasTest, MoreSnapshotsThanAnybodyWantsToCountAreNotCounted) {
  is_used(50, volumes({}));
  quota_is(100000);
  for (int page = 0; page < 20; ++page) aws.transport.answer(200, snapshots(1000, fmt::format("n{}", page)));
  is_used(100, snapshots(0));
  const auto checked = check("gp3", 1);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(*checked, ElementsAre(HasSubstr("there are 20000 and more")));
  EXPECT_EQ(aws.transport.unused(), 0U);
}

TEST_F(EbsQuotasTest, WhereServiceQuotasDoesNotAnswerItIsAskedOnce) {
  aws.transport.lose_connection();
  aws.transport.lose_connection();
  const auto checked = check("gp3", 1);
  ASSERT_TRUE(checked.ok());
  EXPECT_THAT(*checked, testing::SizeIs(3));
  EXPECT_EQ(aws.transport.requests().size(), 2U) << "both attempts of the first question";
}

TEST_F(EbsQuotasTest, WhoMayNotLookCannotCount) {
  quota_is(50);
  aws.transport.answer(
      403, "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>");
  is_used(100000, snapshots(3));
  is_used(100, snapshots(0));
  const auto checked = check("gp3", 1);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(*checked,
              ElementsAre(HasSubstr("whether the quota of TiB of gp3 volumes allows it was not asked")));
}

TEST_F(EbsQuotasTest, WithoutLaunchesNobodyIsAsked) {
  EXPECT_THAT(check_ebs_quotas(aws.quotas, aws.ec2, {}).value(), IsEmpty());
  EXPECT_TRUE(aws.transport.requests().empty());
}

TEST(AccountQuotas, SayWhatIsTooSmallOfBothKinds) {
  CannedAdvisers aws;
  aws.transport.answer(200, json({{"Quota", {{"Value", 1}}}}).dump());
  aws.transport.answer(200, "<R xmlns='urn:ec2'/>");  // nothing runs
  aws.transport.answer(
      200,
      "<R xmlns='urn:ec2'><instanceTypeSet><item><instanceType>t3.small</instanceType><vCpuInfo>"
      "<defaultVCpus>2</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>2048</sizeInMiB>"
      "</memoryInfo></item></instanceTypeSet></R>");
  for (const double quota : {0.0, 0.0}) {
    aws.transport.answer(200, json({{"Quota", {{"Value", quota}}}}).dump());
    aws.transport.answer(200, "<R xmlns='urn:ec2'/>");
  }
  aws.transport.answer(200, json({{"Quota", {{"Value", 100}}}}).dump());
  aws.transport.answer(200, "<R xmlns='urn:ec2'/>");
  LaunchSpec spec;
  spec.instance_type = "t3.small";
  spec.volumes_bytes = gib;
  const auto checked = check_account_quotas(aws.quotas, aws.ec2, {spec});
  EXPECT_EQ(checked.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(checked.error().message(), AllOf(HasSubstr("may run 1 vCPUs"), HasSubstr("0 TiB of gp3")));
}

}  // namespace
}  // namespace rekindle
