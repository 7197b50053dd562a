#include "aws/launch_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/advisers_for_tests.h"

namespace rekindle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view subnet =
    "<R xmlns='urn:ec2'><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>"
    "<cidrBlock>10.0.1.0/24</cidrBlock><availabilityZone>eu-central-1a</availabilityZone>"
    "<availableIpAddressCount>12</availableIpAddressCount></item></subnetSet></R>";
constexpr std::string_view full_subnet =
    "<R xmlns='urn:ec2'><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>"
    "<cidrBlock>10.0.1.0/24</cidrBlock><availabilityZone>eu-central-1a</availabilityZone>"
    "<availableIpAddressCount>0</availableIpAddressCount></item></subnetSet></R>";
constexpr std::string_view offered =
    "<R xmlns='urn:ec2'><instanceTypeOfferingSet><item><location>eu-central-1a</location></item>"
    "</instanceTypeOfferingSet></R>";
constexpr std::string_view offered_elsewhere =
    "<R xmlns='urn:ec2'><instanceTypeOfferingSet><item><location>eu-central-1c</location></item>"
    "</instanceTypeOfferingSet></R>";
constexpr std::string_view group =
    "<R xmlns='urn:ec2'><securityGroupInfo><item><groupId>sg-1</groupId><vpcId>vpc-1</vpcId></item>"
    "</securityGroupInfo></R>";
constexpr std::string_view nothing = "<R xmlns='urn:ec2'/>";

std::string fault_xml(std::string_view code) {
  return fmt::format(
      "<Response><Errors><Error><Code>{}</Code><Message>m</Message></Error></Errors></Response>", code);
}

class LaunchCheckTest : public testing::Test {
 protected:
  Error refusal() {
    const auto checked = check_launch_settings(aws.all(), spec);
    return checked.ok() ? Error(ErrorCode::internal, "it was accepted") : checked.error();
  }
  Error explained(std::string code, std::string message = "m") {
    return explain_launch_fault({400, std::move(code), std::move(message), ""}, spec,
                                {"eu-central-1", "eu-central-1a"}, aws.ec2.service());
  }

  LaunchSpec spec = [] {
    LaunchSpec wanted;
    wanted.instance_type = "m6i.huge";
    wanted.subnet_id = "subnet-1";
    wanted.security_group_ids = {"sg-1"};
    wanted.private_ip = "10.0.1.20";
    return wanted;
  }();
  CannedAdvisers aws;
  CannedTransport& transport = aws.transport;
};

TEST_F(LaunchCheckTest, AcceptsSettingsThatFit) {
  for (const auto& answer : {subnet, offered, group, nothing}) transport.answer(200, answer);
  const auto checked = check_launch_settings(aws.all(), spec);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_EQ(checked->place.availability_zone, "eu-central-1a");
  EXPECT_TRUE(checked->unproven.empty());
  EXPECT_EQ(transport.form(3, "Action"), "DescribeNetworkInterfaces");
  EXPECT_EQ(transport.form(3, "Filter.2.Value.1"), "10.0.1.20");
}

TEST_F(LaunchCheckTest, NamesASubnetThatDoesNotExist) {
  transport.answer(400, fault_xml("InvalidSubnetID.NotFound"));
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("'subnet-1'"), HasSubstr("aws ec2 describe-subnets")));
}

TEST_F(LaunchCheckTest, NamesATypeThatDoesNotExist) {
  for (const auto& answer : {subnet, nothing}) transport.answer(200, answer);
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("'m6i.huge'"), HasSubstr("zone eu-central-1a"),
                                     HasSubstr("describe-instance-type-offerings")));
}

TEST_F(LaunchCheckTest, NamesTheZonesWhereTheTypeIsOffered) {
  for (const auto& answer : {subnet, offered_elsewhere}) transport.answer(200, answer);
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << "another type of the plan, or another subnet, may do";
  EXPECT_THAT(error.message(), HasSubstr("only in eu-central-1c"));
}

TEST_F(LaunchCheckTest, NamesASecurityGroupThatIsMissing) {
  for (const auto& answer : {subnet, offered}) transport.answer(200, answer);
  transport.answer(400, fault_xml("InvalidGroup.NotFound"));
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("sg-1"));
}

TEST_F(LaunchCheckTest, SaysWhenTheSubnetIsFull) {
  spec.private_ip.clear();
  for (const auto& answer : {full_subnet, offered, group}) transport.answer(200, answer);
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::exhausted);
  EXPECT_THAT(error.message(), HasSubstr("'subnet-1' has no free address"));
}

TEST_F(LaunchCheckTest, SaysWhoHoldsTheAddress) {
  for (const auto& answer : {subnet, offered, group}) transport.answer(200, answer);
  transport.answer(
      200,
      "<R xmlns='urn:ec2'><networkInterfaceSet><item><networkInterfaceId>eni-9</networkInterfaceId></item>"
      "</networkInterfaceSet></R>");
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("10.0.1.20"), HasSubstr("eni-9")));
}

TEST_F(LaunchCheckTest, LeavesOutALookThatIsNotAllowed) {
  for (const auto& answer : {subnet, offered, group}) transport.answer(200, answer);
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  const auto checked = check_launch_settings(aws.all(), spec);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(checked->unproven,
              ElementsAre(HasSubstr("whether the private address 10.0.1.20 is free was not asked")));
}

TEST_F(LaunchCheckTest, SaysEverythingThatItCouldNotAsk) {
  spec.elastic_ip = "eipalloc-1";
  spec.volumes.kms_key = "alias/dr";
  spec.instance_profile = "web-role";
  transport.answer(200, subnet);
  for (int i = 0; i < 4; ++i) transport.answer(403, fault_xml("UnauthorizedOperation"));
  transport.answer(400, R"({"__type":"AccessDeniedException","Message":"no"})");
  transport.answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
  const auto checked = check_launch_settings(aws.all(), spec);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_THAT(checked->unproven,
              ElementsAre(HasSubstr("m6i.huge"), HasSubstr("sg-1"), HasSubstr("10.0.1.20"),
                          HasSubstr("eipalloc-1"), HasSubstr("alias/dr"), HasSubstr("web-role")));
}

TEST_F(LaunchCheckTest, LooksAtTheKeyAndTheInstanceProfile) {
  const auto settings = [&] {
    for (const auto& answer : {subnet, offered, group, nothing}) transport.answer(200, answer);
  };
  spec.volumes.kms_key = "alias/dr";
  spec.instance_profile = "web-role";
  settings();
  transport.answer(400, R"({"__type":"NotFoundException"})");
  EXPECT_THAT(refusal().message(), HasSubstr("KMS has no key 'alias/dr'"));
  settings();
  transport.answer(200, R"({"KeyMetadata":{"KeyState":"Enabled","KeyUsage":"ENCRYPT_DECRYPT"}})");
  transport.answer(400, R"({"__type":"DryRunOperationException"})");
  transport.answer(404, "<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>");
  EXPECT_THAT(refusal().message(), HasSubstr("IAM has no instance profile 'web-role'"));
}

TEST_F(LaunchCheckTest, ExplainsWhatRunInstancesRefuses) {
  EXPECT_EQ(explained("InvalidSubnetID.NotFound").code(), ErrorCode::invalid_argument);
  EXPECT_EQ(explained("InvalidGroup.NotFound").code(), ErrorCode::invalid_argument);
  EXPECT_THAT(explained("InvalidParameterValue", "Invalid value 'm6i.huge' for InstanceType.").message(),
              AllOf(HasSubstr("'m6i.huge'"), HasSubstr("zone eu-central-1a")));
  const Error elsewhere = explained("Unsupported", "not supported in your requested Availability Zone (a).");
  EXPECT_EQ(elsewhere.code(), ErrorCode::exhausted);
  EXPECT_THAT(elsewhere.message(), AllOf(HasSubstr("'m6i.huge' is not offered"), HasSubstr("eu-central-1a")));
  EXPECT_EQ(explained("Unsupported", "The requested configuration is not supported").code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(explained("InvalidInstanceType").code(), ErrorCode::invalid_argument);
  EXPECT_EQ(explained("InsufficientFreeAddressesInSubnet").code(), ErrorCode::exhausted);
  EXPECT_EQ(explained("InvalidIPAddress.InUse").code(), ErrorCode::failed_precondition);
  EXPECT_EQ(explained("InsufficientInstanceCapacity").code(), ErrorCode::exhausted);
  EXPECT_EQ(explained("VcpuLimitExceeded").code(), ErrorCode::exhausted);
  EXPECT_EQ(explained("InvalidParameterValue", "Value for parameter 'tags' is wrong").code(),
            ErrorCode::invalid_argument);
}

TEST_F(LaunchCheckTest, CallsNothingARefusalAfterALostAttempt) {
  AwsFault fault{500, "InsufficientInstanceCapacity", "m", ""};
  fault.after_lost_attempt = true;
  const Error error = explain_launch_fault(fault, spec, {"eu-central-1", "eu-central-1a"}, aws.ec2.service());
  EXPECT_EQ(error.code(), ErrorCode::internal);
  EXPECT_THAT(error.message(), HasSubstr("no capacity"));
}

TEST(CheckAddress, AcceptsOnlyWhatAwsGivesAway) {
  EXPECT_TRUE(check_address("10.0.1.4", "subnet-1", "10.0.1.0/24").ok());
  EXPECT_TRUE(check_address("10.0.1.254", "subnet-1", "10.0.1.0/24").ok());
  for (const char* wrong :
       {"10.0.1.3", "10.0.1.255", "10.0.2.4", "10.0.0.255", "10.0.1", "10.0.1.256", "::1", ""}) {
    EXPECT_EQ(check_address(wrong, "subnet-1", "10.0.1.0/24").error().code(), ErrorCode::invalid_argument)
        << wrong;
  }
  EXPECT_EQ(check_address("10.0.1.4", "subnet-1", "nonsense").error().code(), ErrorCode::internal);
}

}  // namespace
}  // namespace rekindle
