// Templates and instances.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "aws/aws_site_fixture.h"
#include "site/refusal.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

TEST_F(AwsSiteTest, RegistersForEnaAnd64BitsAndWaitsUntilItIsAvailable) {
  transport.answer(200, "<R><imageId>ami-1</imageId></R>");
  transport.answer(400, fault_xml("InvalidAMIID.NotFound"));
  transport.answer(200, images("pending"));
  transport.answer(200, images("available"));
  const auto id = site->register_template(template_spec());
  ASSERT_TRUE(id.ok()) << id.error().message();
  EXPECT_EQ(id->str(), "ami-1");
  EXPECT_EQ(transport.form(0, "Architecture"), "x86_64");
  EXPECT_EQ(transport.form(0, "EnaSupport"), "true");
  EXPECT_EQ(transport.form(0, "BootMode"), "uefi");
  EXPECT_EQ(transport.form(0, "VirtualizationType"), "hvm");
  EXPECT_EQ(transport.form(0, "RootDeviceName"), "/dev/sda1");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.1.DeviceName"), "/dev/sda1");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.1.Ebs.SnapshotId"), "snap-1");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.DeviceName"), "/dev/sdf");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.Ebs.DeleteOnTermination"), "true");
  EXPECT_EQ(transport.form(0, "TagSpecification.1.ResourceType"), "image");
}

TEST_F(AwsSiteTest, TriesTheCallsThatCleanUpWithoutMakingThem) {
  DrCopy copy;
  copy.disks.resize(1);
  copy.disks[0].image_id = ImageId("snap-1");
  copy.template_id = TemplateId("ami-1");
  transport.answer(412, fault_xml("DryRunOperation"));
  transport.answer(412, fault_xml("DryRunOperation"));
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  transport.answer(200, images("available"));
  transport.answer(200, snapshots("completed",
                                  "<tagSet><item><key>rekindle:token</key><value>t-1</value>"
                                  "</item></tagSet>"));
  transport.answer(412, fault_xml("DryRunOperation"));
  const auto tried = site->try_calls(copy, {});
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_THAT(tried->allowed, testing::ElementsAre("ec2:DeleteSnapshot", "ec2:CreateTags"));
  EXPECT_THAT(tried->refused, testing::ElementsAre("ec2:DeregisterImage"));
  EXPECT_THAT(tried->untried, testing::Contains("ec2:TerminateInstances"));
  EXPECT_EQ(transport.form(0, "Action"), "DescribeSnapshots");
  EXPECT_EQ(transport.form(0, "SnapshotId.1"), "snap-1");
  EXPECT_EQ(transport.form(1, "SnapshotId"), "snap-1");
  EXPECT_EQ(transport.form(2, "ImageId"), "ami-1");
  EXPECT_EQ(transport.form(5, "Action"), "CreateTags");
  EXPECT_EQ(transport.form(5, "Tag.1.Value"), "t-1") << "the one that it has: nothing would be lost";
  for (const std::size_t i : {0U, 1U, 2U, 5U}) EXPECT_EQ(transport.form(i, "DryRun"), "true") << i;
}

TEST_F(AwsSiteTest, TriesNoCallOnWhatIsGone) {
  DrCopy copy;
  copy.disks.resize(1);
  copy.disks[0].image_id = ImageId("snap-1");
  copy.template_id = TemplateId("ami-1");
  transport.answer(412, fault_xml("DryRunOperation"));
  transport.answer(400, fault_xml("InvalidSnapshot.InUse"));
  transport.answer(403, fault_xml("UnauthorizedOperation"));  // as if it were not ours
  transport.answer(400, fault_xml("InvalidAMIID.NotFound"));
  transport.answer(200, snapshots("completed"));  // which has no tag of ours
  const auto tried = site->try_calls(copy, {});
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_THAT(tried->untried, testing::IsSupersetOf({"ec2:DeleteSnapshot", "ec2:DeregisterImage"}));
  EXPECT_TRUE(tried->allowed.empty() && tried->refused.empty());

  transport.answer(400, fault_xml("InvalidSnapshot.NotFound"));
  EXPECT_EQ(site->try_calls(copy, {}).error().code(), ErrorCode::not_found);
  EXPECT_EQ(transport.unused(), 0U);
  EXPECT_THAT(site->try_calls(DrCopy(), {})->untried, testing::SizeIs(7));
  PlannedCalls all;
  all.through_volumes = all.without_source_check = true;
  all.elastic_ip = "eipalloc-1";
  EXPECT_THAT(site->try_calls(DrCopy(), all)->untried, testing::SizeIs(14));
}

TEST_F(AwsSiteTest, TriesWhatReplicationDoesThroughVolumesOnAVolumeOfOurs) {
  AwsSiteOptions own = options();
  own.installation = "ours";
  own.proxy.instance_id = "i-proxy";
  site = *AwsSite::make(own, transport, clock, random);
  DrCopy copy;
  copy.disks.resize(1);
  copy.disks[0].image_id = ImageId("snap-1");
  PlannedCalls planned;
  planned.through_volumes = true;
  planned.elastic_ip = "eipalloc-1";
  const std::string volumes =
      "<R xmlns='urn:ec2'><volumeSet><item><volumeId>vol-1</volumeId><status>available</status><size>1</size>"
      "</item></volumeSet></R>";
  for (int i = 0; i < 2; ++i) transport.answer(412, fault_xml("DryRunOperation"));
  transport.answer(200, snapshots("completed"));
  transport.answer(200, "<R xmlns='urn:ec2'/>");              // no instance of ours
  transport.answer(403, fault_xml("UnauthorizedOperation"));  // AssociateAddress, to the proxy
  transport.answer(200,
                   "<R xmlns='urn:ec2'><reservationSet><item><instancesSet><item><instanceId>i-proxy"
                   "</instanceId><instanceState><name>running</name></instanceState><placement>"
                   "<availabilityZone>eu-central-1a</availabilityZone></placement></item></instancesSet>"
                   "</item></reservationSet></R>");
  transport.answer(412, fault_xml("DryRunOperation"));  // CreateVolume
  transport.answer(200, volumes);
  transport.answer(412, fault_xml("DryRunOperation"));        // CreateSnapshot
  transport.answer(412, fault_xml("DryRunOperation"));        // AttachVolume
  transport.answer(400, fault_xml("IncorrectState"));         // DetachVolume
  transport.answer(403, fault_xml("UnauthorizedOperation"));  // DeleteVolume
  transport.answer(200, volumes);
  const auto tried = site->try_calls(copy, planned);
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_THAT(tried->allowed, testing::ElementsAre("ec2:DeleteSnapshot", "ec2:CreateVolume",
                                                   "ec2:CreateSnapshot", "ec2:AttachVolume"));
  EXPECT_THAT(tried->refused, testing::ElementsAre("ec2:DeleteVolume"));
  EXPECT_THAT(tried->untried, testing::IsSupersetOf({"ec2:AssociateAddress", "ec2:DetachVolume"}))
      << "a proxy is not ours: it may be refused for that";
  EXPECT_EQ(transport.form(4, "AllocationId"), "eipalloc-1");
  EXPECT_EQ(transport.form(4, "InstanceId"), "i-proxy");
  EXPECT_EQ(transport.form(6, "AvailabilityZone"), "eu-central-1a");
  EXPECT_EQ(transport.form(6, "SnapshotId"), "snap-1");
  EXPECT_EQ(transport.form(6, "TagSpecification.1.ResourceType"), "volume");
  EXPECT_EQ(transport.form(8, "VolumeId"), "vol-1");
  EXPECT_EQ(transport.form(9, "InstanceId"), "i-proxy");
  for (const std::size_t i : {0U, 1U, 4U, 6U, 8U, 9U, 10U, 11U})
    EXPECT_EQ(transport.form(i, "DryRun"), "true") << i;
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(AwsSiteTest, AsksWhetherTheAccountEncryptsByDefault) {
  transport.answer(200, "<R xmlns='urn:ec2'><ebsEncryptionByDefault>true</ebsEncryptionByDefault></R>");
  EXPECT_TRUE(site->encrypts_by_default().value());
  EXPECT_EQ(transport.form(0, "Action"), "GetEbsEncryptionByDefault");
  transport.answer(200, "<R xmlns='urn:ec2'><ebsEncryptionByDefault>false</ebsEncryptionByDefault></R>");
  EXPECT_FALSE(site->encrypts_by_default().value());
}

TEST_F(AwsSiteTest, TriesNoCallWhereDryRunIsNotHeeded) {
  DrCopy copy;
  copy.disks.resize(1);
  copy.disks[0].image_id = ImageId("snap-1");
  transport.answer(200, snapshots("completed"));
  const auto tried = site->try_calls(copy, {});
  EXPECT_EQ(tried.error().code(), ErrorCode::internal);
  EXPECT_THAT(tried.error().message(), HasSubstr("ignores DryRun"));
  EXPECT_EQ(transport.requests().size(), 1U);
}

// It is not known, then, whether the call may be made.
TEST_F(AwsSiteTest, ReportsWhyACallCouldNotBeTried) {
  DrCopy copy;
  copy.disks.resize(1);
  copy.disks[0].image_id = ImageId("snap-1");
  transport.answer(412, fault_xml("DryRunOperation"));
  transport.answer(400, fault_xml("InvalidParameterValue"));
  const auto tried = site->try_calls(copy, {});
  EXPECT_EQ(tried.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(tried.error().message(), HasSubstr("trying DeleteSnapshot"));
}

TEST_F(AwsSiteTest, FindsTheTemplateThatAnEarlierCallRegistered) {
  TemplateSpec spec = template_spec();
  spec.disks.resize(1);
  transport.answer(400, fault_xml("InvalidAMIName.Duplicate"));
  transport.answer(200, images("available"));
  transport.answer(200, images("available"));
  EXPECT_EQ(site->register_template(spec)->str(), "ami-1");
}

TEST_F(AwsSiteTest, DoesNotTakeATemplateOfOtherImagesForItsOwn) {
  TemplateSpec spec = template_spec();
  spec.disks.resize(1);
  transport.answer(400, fault_xml("InvalidAMIName.Duplicate"));
  transport.answer(200, images("available", "snap-other"));
  EXPECT_EQ(site->register_template(spec).error().code(), ErrorCode::already_exists);
}

// Else the ledger would forget it.
TEST_F(AwsSiteTest, DoesNotCallItARefusalThatATemplateCannotBeWatched) {
  transport.answer(200, "<R><imageId>ami-1</imageId></R>");
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  const auto registered = site->register_template(template_spec());
  EXPECT_FALSE(is_refusal(registered.error().code()));
  EXPECT_THAT(registered.error().message(), HasSubstr("may not call ec2:DescribeImages"));

  transport.lose_connection();
  transport.answer(400, fault_xml("InvalidAMIName.Duplicate"));
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  EXPECT_FALSE(is_refusal(site->register_template(template_spec()).error().code()));

  transport.answer(403, fault_xml("UnauthorizedOperation"));
  EXPECT_TRUE(is_refusal(site->register_template(template_spec()).error().code()));
}

// The ledger forgets what was refused, and the first attempt may have made it.
TEST_F(AwsSiteTest, CallsNothingARefusalAfterAnAttemptThatWasNotAnswered) {
  const auto lose_and_refuse = [&](int status, std::string_view answer, HttpHeaders headers = {}) {
    transport.lose_connection();
    transport.answer(status, answer, std::move(headers));
  };
  lose_and_refuse(403, R"({"Message":"no"})", {{"x-amzn-ErrorType", "AccessDeniedException"}});
  const auto image = site->start_image({gib, {}, "", "token", {}});
  EXPECT_EQ(image.error().code(), ErrorCode::internal);
  EXPECT_THAT(image.error().message(), HasSubstr("may not call ebs:StartSnapshot"));

  lose_and_refuse(403, fault_xml("UnauthorizedOperation"));
  EXPECT_EQ(site->launch({}).error().code(), ErrorCode::internal);
  lose_and_refuse(500, fault_xml("InsufficientInstanceCapacity"));
  EXPECT_EQ(site->launch({}).error().code(), ErrorCode::internal);
  lose_and_refuse(403, fault_xml("UnauthorizedOperation"));
  EXPECT_EQ(site->register_template(template_spec()).error().code(), ErrorCode::internal);
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  EXPECT_EQ(site->launch({}).error().code(), ErrorCode::permission_denied) << "of the only attempt";
}

TEST_F(AwsSiteTest, RemembersALostAttemptWhileItWaitsForOthers) {
  const HttpHeaders too_many{{"x-amzn-ErrorType", "ConcurrentLimitExceededException"}};
  transport.lose_connection();
  transport.answer(400, R"({"Message":"too many"})", too_many);
  transport.answer(400, R"({"Message":"too many"})", too_many);
  transport.answer(403, R"({"Message":"no"})", {{"x-amzn-ErrorType", "AccessDeniedException"}});
  EXPECT_EQ(site->start_image({gib, {}, "", "token", {}}).error().code(), ErrorCode::internal);
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(AwsSiteTest, LaunchesByTokenWithAddressGroupsAndTags) {
  transport.answer(200, started("i-1"));
  LaunchSpec spec;
  spec.image_template = TemplateId("ami-1");
  spec.instance_type = "m6i.large";
  spec.subnet_id = "subnet-1";
  spec.security_group_ids = {"sg-1", "sg-2"};
  spec.private_ip = "10.0.1.20";
  spec.token = "token-1";
  spec.tags = {{"rekindle", "yes"}};
  const auto id = site->launch(spec);
  ASSERT_TRUE(id.ok()) << id.error().message();
  EXPECT_EQ(id->str(), "i-1");
  EXPECT_EQ(transport.form(0, "ClientToken"), "token-1");
  EXPECT_EQ(transport.form(0, "PrivateIpAddress"), "10.0.1.20");
  EXPECT_EQ(transport.form(0, "SecurityGroupId.2"), "sg-2");
  EXPECT_EQ(transport.form(0, "MaxCount"), "1");
  EXPECT_EQ(transport.form(0, "TagSpecification.2.ResourceType"), "volume");
  EXPECT_EQ(transport.form(0, "TagSpecification.2.Tag.1.Value"), "yes");
}

TEST_F(AwsSiteTest, LaunchesWithEverythingThatAPlanCanSay) {
  transport.answer(200, started("i-1"));
  LaunchSpec spec;
  spec.subnet_id = "subnet-1";
  spec.security_group_ids = {"sg-1"};
  spec.private_ip = "10.0.1.20";
  spec.public_address = false;
  spec.instance_profile = "arn:aws:iam::1:instance-profile/web";
  spec.user_data = "#!/bin/sh";
  spec.volumes = {"gp3", 6000, 250, true, "alias/dr"};
  spec.disks = 2;
  ASSERT_TRUE(site->launch(spec).ok());
  EXPECT_EQ(transport.form(0, "NetworkInterface.1.SubnetId"), "subnet-1");
  EXPECT_EQ(transport.form(0, "NetworkInterface.1.SecurityGroupId.1"), "sg-1");
  EXPECT_EQ(transport.form(0, "NetworkInterface.1.PrivateIpAddress"), "10.0.1.20");
  EXPECT_EQ(transport.form(0, "NetworkInterface.1.AssociatePublicIpAddress"), "false");
  EXPECT_EQ(transport.form(0, "SubnetId"), "") << "EC2 refuses both";
  EXPECT_EQ(transport.form(0, "IamInstanceProfile.Arn"), "arn:aws:iam::1:instance-profile/web");
  EXPECT_EQ(transport.form(0, "UserData"), "IyEvYmluL3No");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.1.DeviceName"), "/dev/sda1");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.DeviceName"), "/dev/sdf");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.Ebs.Iops"), "6000");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.Ebs.Throughput"), "250");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.Ebs.Encrypted"), "true");
  EXPECT_EQ(transport.form(0, "BlockDeviceMapping.2.Ebs.KmsKeyId"), "alias/dr");
}

TEST_F(AwsSiteTest, DoesNotRetryWhenThereIsNoCapacity) {
  transport.answer(500, fault_xml("InsufficientInstanceCapacity"));
  transport.answer(200, "<R><subnetSet/></R>");
  LaunchSpec spec;
  spec.subnet_id = "subnet-1";
  spec.instance_type = "m6i.large";
  const auto launched = site->launch(spec);
  EXPECT_EQ(launched.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(launched.error().message(), HasSubstr("m6i.large"));
  EXPECT_EQ(transport.form(1, "Action"), "DescribeSubnets");
}

TEST_F(AwsSiteTest, ReadsAnInstanceWithWhyItDied) {
  transport.answer(
      200,
      "<R xmlns='urn:ec2'><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>"
      "<instanceState><name>terminated</name></instanceState><privateIpAddress>10.0.1.20</privateIpAddress>"
      "<ipAddress>3.3.3.3</ipAddress><stateReason><message>Client.InternalError</message></stateReason>"
      "<blockDeviceMapping><item><ebs><volumeId>vol-1</volumeId></ebs></item></blockDeviceMapping>"
      "</item></instancesSet></item></reservationSet></R>");
  const auto instance = site->instance(InstanceId("i-1"));
  ASSERT_TRUE(instance.ok()) << instance.error().message();
  EXPECT_EQ(instance->state, InstanceState::terminated);
  EXPECT_EQ(instance->private_ip, "10.0.1.20");
  EXPECT_EQ(instance->public_ip, "3.3.3.3");
  EXPECT_EQ(instance->state_reason, "Client.InternalError");
  EXPECT_EQ(instance->volume_ids, std::vector<std::string>{"vol-1"});
}

TEST_F(AwsSiteTest, TellsLackOfCapacityFromOtherDeaths) {
  const auto dead_of = [](std::string_view code) {
    return fmt::format(
        "<R xmlns='urn:ec2'><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>"
        "<instanceState><name>terminated</name></instanceState><stateReason><code>{}</code>"
        "<message>m</message></stateReason></item></instancesSet></item></reservationSet></R>",
        code);
  };
  transport.answer(200, dead_of("Server.InsufficientInstanceCapacity"));
  EXPECT_TRUE(site->instance(InstanceId("i-1"))->had_no_capacity);
  transport.answer(200, dead_of("Client.VolumeLimitExceeded"));
  EXPECT_FALSE(site->instance(InstanceId("i-1"))->had_no_capacity);
}

TEST_F(AwsSiteTest, FindsByTagsOnlyAndOnlyItsOwn) {
  transport.answer(200, snapshots("completed"));
  EXPECT_EQ(site->find_images({{"rekindle", "yes"}})->size(), 1U);
  EXPECT_EQ(transport.form(0, "Owner.1"), "self");
  EXPECT_EQ(transport.form(0, "Filter.1.Name"), "tag:rekindle");
  EXPECT_EQ(transport.form(0, "MaxResults"), "1000");
  EXPECT_EQ(site->find_images({}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(site->find_templates({}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(site->find_instances({}).error().code(), ErrorCode::invalid_argument);
}

TEST_F(AwsSiteTest, DecodesTheConsole) {
  transport.answer(200, "<R><output>TGlu\ndXg=\n</output></R>");
  EXPECT_EQ(*site->console_output(InstanceId("i-1")), "Linux");
  EXPECT_EQ(transport.form(0, "Latest"), "true");
}

TEST_F(AwsSiteTest, TakesTheOlderConsoleWhereThereIsNoNewest) {
  transport.answer(400, fault_xml("UnsupportedOperation"));
  transport.answer(200, "<R><output>TGludXg=</output></R>");
  EXPECT_EQ(*site->console_output(InstanceId("i-1")), "Linux");
  EXPECT_EQ(transport.form(1, "Latest"), "");
}

TEST_F(AwsSiteTest, AsksAwsWhetherALaunchWouldBeAccepted) {
  LaunchSpec spec;
  spec.image_template = TemplateId("ami-1");
  spec.subnet_id = "subnet-1";
  spec.instance_type = "m6i.large";
  const auto settings_fit = [&] {
    transport.answer(200,
                     "<R><subnetSet><item><subnetId>subnet-1</subnetId><availabilityZone>a</availabilityZone>"
                     "<availableIpAddressCount>3</availableIpAddressCount></item></subnetSet></R>");
    transport.answer(
        200, "<R><instanceTypeOfferingSet><item><location>a</location></item></instanceTypeOfferingSet></R>");
  };
  settings_fit();
  transport.answer(412, fault_xml("DryRunOperation"));
  const auto accepted = site->check_launch(spec);
  EXPECT_TRUE(accepted.ok()) << accepted.error().message();
  EXPECT_EQ(transport.form(2, "DryRun"), "true");
  settings_fit();
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  EXPECT_EQ(site->check_launch(spec).error().code(), ErrorCode::permission_denied);
}

class CheckLaunchTest : public AwsSiteTest {
 protected:
  CheckLaunchTest() {
    AwsSiteOptions marked = options();
    marked.installation = "inst-1";
    site = *AwsSite::make(marked, transport, clock, random);
    spec.subnet_id = "subnet-1";
    spec.instance_type = "m6i.large";
    spec.volumes.type = "gp3";
    spec.token = "token";
  }
  void settings_fit() {
    transport.answer(200,
                     "<R><subnetSet><item><subnetId>subnet-1</subnetId><availabilityZone>a</availabilityZone>"
                     "<availableIpAddressCount>3</availableIpAddressCount></item></subnetSet></R>");
    transport.answer(
        200, "<R><instanceTypeOfferingSet><item><location>a</location></item></instanceTypeOfferingSet></R>");
  }
  void none_is_ours() { transport.answer(200, "<R xmlns='urn:ec2'><imagesSet/></R>"); }

  LaunchSpec spec;
};

TEST_F(CheckLaunchTest, TriesWithAnImageOfOursWhenTheMachineHasNone) {
  settings_fit();
  transport.answer(200, images("available"));
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  EXPECT_EQ(site->check_launch(spec).error().code(), ErrorCode::permission_denied);
  EXPECT_EQ(transport.form(3, "Action"), "RunInstances");
  EXPECT_EQ(transport.form(3, "DryRun"), "true");
  EXPECT_EQ(transport.form(3, "ImageId"), "ami-1");
  EXPECT_EQ(transport.form(3, "BlockDeviceMapping.1.DeviceName"), "") << "it has other disks";
  EXPECT_EQ(transport.form(3, "ClientToken"), "") << "which is the launch's";
}

TEST_F(CheckLaunchTest, ElseWithTheNewestOfAmazonWhichItRemembers) {
  settings_fit();
  none_is_ours();
  transport.answer(200,
                   "<R xmlns='urn:ec2'><imagesSet>"
                   "<item><imageId>ami-2</imageId><name>al2023-ami-2023.6.2-x86_64</name>"
                   "<imageState>available</imageState></item>"
                   "<item><imageId>ami-3</imageId><name>al2023-ami-2023.5.9-x86_64</name>"
                   "<imageState>available</imageState></item></imagesSet></R>");
  transport.answer(412, fault_xml("DryRunOperation"));
  const auto accepted = site->check_launch(spec);
  ASSERT_TRUE(accepted.ok()) << accepted.error().message();
  EXPECT_TRUE(accepted->empty());
  EXPECT_EQ(transport.form(3, "Owner.1"), "amazon");
  EXPECT_EQ(transport.form(3, "Filter.1.Value.1"), "al2023-ami-2023*-x86_64");
  EXPECT_EQ(transport.form(4, "ImageId"), "ami-2");

  settings_fit();
  none_is_ours();
  transport.answer(412, fault_xml("DryRunOperation"));
  EXPECT_TRUE(site->check_launch(spec).ok());
  EXPECT_EQ(transport.form(8, "ImageId"), "ami-2");
}

TEST_F(CheckLaunchTest, SaysWhenThereIsNothingToTryWith) {
  settings_fit();
  none_is_ours();
  transport.answer(200, "<R xmlns='urn:ec2'><imagesSet/></R>");
  const auto checked = site->check_launch(spec);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  ASSERT_EQ(checked->size(), 1U);
  EXPECT_THAT(checked->front(), HasSubstr("that AWS would launch it was not tried: there is no image"));
}

}  // namespace
}  // namespace rekindle
