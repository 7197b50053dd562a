// Which resources each call asks for.
#include "sandbox/region/access_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

using Asked = std::vector<AccessRequest>;
using Words = std::map<std::string, std::string>;

class AccessRequestsTest : public testing::Test {
 protected:
  void SetUp() override {
    options.account_id = "1";
    options.name = "r";
    put<Vpc>("vpc-1");
    put<Subnet>("subnet-1", [](Subnet& subnet) { subnet.vpc_id = "vpc-1"; });
    put<SecurityGroup>("sg-1", [](SecurityGroup& group) {
      group.vpc_id = "vpc-1";
      group.name = "default";
    });
    put<Instance>("i-1");
    put<Volume>("vol-1", [](Volume& volume) { volume.attachment.instance_id = "i-1"; });
    put<Volume>("vol-2", [](Volume& volume) { volume.attachment.instance_id = "i-1"; });
    put<Volume>("vol-3");
    put<Snapshot>("snap-1");
    put<Snapshot>("snap-2");
    put<Image>("ami-1");
    put<ElasticAddress>("eipalloc-1", [](ElasticAddress& address) { address.association_id = "eipassoc-1"; });
  }
  template <typename T>
  void put(const std::string& id, const std::function<void(T&)>& change = {}) {
    T resource;
    resource.id = id;
    resource.tags = {{"of", id}};
    if (change) change(resource);
    state->put(resource);
  }

  static Asked asked_of(Outcome<Asked> asked) {
    if (asked.ok()) return std::move(asked).value();
    ADD_FAILURE() << std::move(asked).error().message;
    return {};
  }
  Asked ec2(const std::string& action, const Words& parameters) {
    const AccessWorld world{options, *state, *account};
    return asked_of(access_of_ec2(world, action, Parameters(parameters)));
  }
  Asked of_request(const std::string& service, const std::string& action, const HttpRequest& request) {
    const AccessWorld world{options, *state, *account};
    return asked_of(access_requests(world, service, action, request));
  }
  Asked ebs(const std::string& action, const std::string& method, const std::string& path,
            const std::string& query = "", const json& body = nullptr) {
    HttpRequest request;
    request.method = method;
    request.raw_path = path;
    request.query = query;
    if (!body.is_null()) request.body = to_bytes(as_bytes(body.dump()));
    return of_request("ebs", action, request);
  }

  // "action resource", without what is the same for all.
  static std::vector<std::string> lines(const Asked& asked) {
    std::vector<std::string> all;
    for (const AccessRequest& one : asked) all.push_back(one.action + " " + one.resource);
    return all;
  }
  static std::string told(const AccessRequest& asked, const std::string& key) {
    const auto at = asked.context.find(key);
    return at == asked.context.end() ? "absent" : fmt::format("{}", fmt::join(at->second, ","));
  }

  TemporaryDirectory folder = TemporaryDirectory::make("access").value();
  RegionOptions options;
  std::unique_ptr<State> state = State::open(folder.path() / "region.db").value();
  std::unique_ptr<AccountSettings> account = AccountSettings::open(folder.path()).value();
};

TEST_F(AccessRequestsTest, ATerminatedInstanceHasNoTags) {
  const auto tag_of = [&] {
    return told(ec2("TerminateInstances", {{"InstanceId.1", "i-1"}}).at(0), "aws:ResourceTag/of");
  };
  EXPECT_EQ(tag_of(), "i-1");
  put<Instance>("i-1", [](Instance& instance) { instance.state = "terminated"; });
  EXPECT_EQ(tag_of(), "absent");
}

TEST_F(AccessRequestsTest, WhatCannotBeSeenYetHasNoTags) {
  put<Snapshot>("snap-1", [](Snapshot& snapshot) { snapshot.created_ms = 1000; });
  const auto tag_of = [&](std::int64_t visible_until_ms) {
    const AccessWorld world{options, *state, *account, visible_until_ms};
    const Parameters parameters(Words{{"SnapshotId", "snap-1"}});
    return told(asked_of(access_of_ec2(world, "DeleteSnapshot", parameters)).at(0), "aws:ResourceTag/of");
  };
  EXPECT_EQ(tag_of(1000), "snap-1");
  EXPECT_EQ(tag_of(999), "absent");
}

TEST_F(AccessRequestsTest, AProfileIsChangedOnItsInstanceAndPassesItsRole) {
  EXPECT_THAT(lines(ec2("ReplaceIamInstanceProfileAssociation",
                        {{"AssociationId", "iip-assoc-1"}, {"IamInstanceProfile.Name", "web"}})),
              ElementsAre("ec2:ReplaceIamInstanceProfileAssociation arn:aws:ec2:r:1:instance/i-1",
                          "iam:PassRole arn:aws:iam::1:role/web"));
  EXPECT_THAT(lines(ec2("DisassociateIamInstanceProfile", {{"AssociationId", "iip-assoc-1"}})),
              ElementsAre("ec2:DisassociateIamInstanceProfile arn:aws:ec2:r:1:instance/i-1"));
}

TEST_F(AccessRequestsTest, ACallAsksForEveryResourceThatItTouches) {
  struct Case {
    const char* action;
    Words parameters;
    std::vector<std::string> resources;
  };
  for (const Case& one : std::vector<Case>{
           {"DescribeImages", {}, {"*"}},
           {"TerminateInstances",
            {{"InstanceId.1", "i-1"}, {"InstanceId.2", "i-9"}},
            {"arn:aws:ec2:r:1:instance/i-1", "arn:aws:ec2:r:1:instance/i-9"}},
           {"StopInstances", {{"InstanceId.1", "i-1"}}, {"arn:aws:ec2:r:1:instance/i-1"}},
           {"GetConsoleOutput", {{"InstanceId", "i-1"}}, {"arn:aws:ec2:r:1:instance/i-1"}},
           {"ModifyInstanceAttribute", {{"InstanceId", "i-1"}}, {"arn:aws:ec2:r:1:instance/i-1"}},
           {"ModifyInstanceMetadataOptions", {{"InstanceId", "i-1"}}, {"arn:aws:ec2:r:1:instance/i-1"}},
           {"DeleteVolume", {{"VolumeId", "vol-3"}}, {"arn:aws:ec2:r:1:volume/vol-3"}},
           {"DeleteSnapshot", {{"SnapshotId", "snap-1"}}, {"arn:aws:ec2:r::snapshot/snap-1"}},
           {"DeregisterImage", {{"ImageId", "ami-1"}}, {"arn:aws:ec2:r::image/ami-1"}},
           {"AttachVolume",
            {{"VolumeId", "vol-3"}, {"InstanceId", "i-1"}},
            {"arn:aws:ec2:r:1:volume/vol-3", "arn:aws:ec2:r:1:instance/i-1"}},
           {"DetachVolume",
            {{"VolumeId", "vol-1"}},
            {"arn:aws:ec2:r:1:volume/vol-1", "arn:aws:ec2:r:1:instance/i-1"}},
           {"CreateVolume", {{"Size", "1"}}, {"arn:aws:ec2:r:1:volume/*"}},
           {"CreateVolume",
            {{"SnapshotId", "snap-1"}},
            {"arn:aws:ec2:r::snapshot/snap-1", "arn:aws:ec2:r:1:volume/*"}},
           {"CreateSnapshot",
            {{"VolumeId", "vol-1"}},
            {"arn:aws:ec2:r:1:volume/vol-1", "arn:aws:ec2:r::snapshot/*"}},
           {"CreateSnapshots",
            {{"InstanceSpecification.InstanceId", "i-1"},
             {"InstanceSpecification.ExcludeDataVolumeId.1", "vol-2"}},
            {"arn:aws:ec2:r:1:instance/i-1", "arn:aws:ec2:r:1:volume/vol-1", "arn:aws:ec2:r::snapshot/*"}},
           {"RegisterImage",
            {{"BlockDeviceMapping.1.DeviceName", "/dev/sda1"},
             {"BlockDeviceMapping.1.Ebs.SnapshotId", "snap-1"}},
            {"arn:aws:ec2:r::snapshot/snap-1", "arn:aws:ec2:r::image/*"}},
           {"CreateTags",
            {{"ResourceId.1", "vol-1"}, {"ResourceId.2", "ami-1"}},
            {"arn:aws:ec2:r:1:volume/vol-1", "arn:aws:ec2:r::image/ami-1"}},
           {"AssociateAddress",
            {{"AllocationId", "eipalloc-1"}, {"InstanceId", "i-1"}},
            {"arn:aws:ec2:r:1:elastic-ip/eipalloc-1", "arn:aws:ec2:r:1:instance/i-1"}},
           {"DisassociateAddress",
            {{"AssociationId", "eipassoc-1"}},
            {"arn:aws:ec2:r:1:elastic-ip/eipalloc-1"}},
           {"RunInstances",
            {{"ImageId", "ami-1"}, {"SubnetId", "subnet-1"}, {"KeyName", "mine"}},
            {"arn:aws:ec2:r::image/ami-1", "arn:aws:ec2:r:1:subnet/subnet-1",
             "arn:aws:ec2:r:1:security-group/sg-1", "arn:aws:ec2:r:1:instance/*", "arn:aws:ec2:r:1:volume/*",
             "arn:aws:ec2:r:1:network-interface/*", "arn:aws:ec2:r:1:key-pair/mine"}},
           {"RunInstances",
            {{"ImageId", "ami-1"},
             {"NetworkInterface.1.SubnetId", "subnet-1"},
             {"NetworkInterface.1.SecurityGroupId.1", "sg-2"},
             {"BlockDeviceMapping.1.DeviceName", "/dev/sdf"},
             {"BlockDeviceMapping.1.Ebs.SnapshotId", "snap-1"}},
            {"arn:aws:ec2:r::image/ami-1", "arn:aws:ec2:r:1:subnet/subnet-1",
             "arn:aws:ec2:r:1:security-group/sg-2", "arn:aws:ec2:r:1:instance/*", "arn:aws:ec2:r:1:volume/*",
             "arn:aws:ec2:r:1:network-interface/*", "arn:aws:ec2:r::snapshot/snap-1"}},
       }) {
    std::vector<std::string> expected;
    for (const std::string& resource : one.resources)
      expected.push_back(std::string("ec2:") + one.action + " " + resource);
    EXPECT_EQ(lines(ec2(one.action, one.parameters)), expected);
  }
}

TEST_F(AccessRequestsTest, WhatIsThereTellsItsTagsAndWhatIsNotHasNone) {
  for (const char* id : {"i-1", "vol-1", "snap-1", "ami-1", "subnet-1", "sg-1", "vpc-1", "eipalloc-1"}) {
    const Asked asked = ec2("CreateTags", {{"ResourceId.1", id}, {"Tag.1.Key", "a"}, {"Tag.1.Value", "b"}});
    EXPECT_EQ(told(asked.at(0), "aws:ResourceTag/of"), id);
    EXPECT_EQ(told(asked.at(0), "ec2:ResourceTag/of"), id);
    EXPECT_EQ(told(asked.at(0), "aws:RequestTag/a"), "b");
    EXPECT_EQ(told(asked.at(0), "aws:TagKeys"), "a");
    EXPECT_EQ(told(asked.at(0), "ec2:CreateAction"), "absent") << "of things that are there";
  }
  EXPECT_EQ(told(ec2("DeleteSnapshot", {{"SnapshotId", "snap-9"}}).at(0), "aws:ResourceTag/of"), "absent");
}

TEST_F(AccessRequestsTest, TagsOfWhatIsMadeAskForCreateTagsToo) {
  const Asked asked = ec2("CreateVolume", {{"SnapshotId", "snap-1"},
                                           {"TagSpecification.1.ResourceType", "volume"},
                                           {"TagSpecification.1.Tag.1.Key", "a"},
                                           {"TagSpecification.1.Tag.1.Value", "b"},
                                           {"TagSpecification.1.Tag.2.Key", "c"}});
  ASSERT_THAT(lines(asked), ElementsAre("ec2:CreateVolume arn:aws:ec2:r::snapshot/snap-1",
                                        "ec2:CreateVolume arn:aws:ec2:r:1:volume/*",
                                        "ec2:CreateTags arn:aws:ec2:r:1:volume/*"));
  EXPECT_EQ(told(asked[0], "aws:RequestTag/a"), "absent") << "the tags are the volume's";
  for (const std::size_t made : {1, 2}) {
    EXPECT_EQ(told(asked[made], "aws:RequestTag/a"), "b");
    EXPECT_EQ(told(asked[made], "aws:TagKeys"), "a,c");
    EXPECT_EQ(told(asked[made], "aws:ResourceTag/a"), "absent");
  }
  EXPECT_EQ(told(asked[1], "ec2:CreateAction"), "absent");
  EXPECT_EQ(told(asked[2], "ec2:CreateAction"), "CreateVolume");
}

TEST_F(AccessRequestsTest, ALaunchTagsWhatItSaysAndPassesTheRoleOfItsProfile) {
  ASSERT_TRUE(account->put_profile({{"name", "web-profile"}, {"role", "web"}}).ok());
  ASSERT_TRUE(account->put_profile({{"name", "bare"}}).ok());
  const auto asked_with = [&](const char* name, const char* value) {
    return lines(ec2("RunInstances", {{"TagSpecification.1.ResourceType", "instance"},
                                      {"TagSpecification.1.Tag.1.Key", "a"},
                                      {name, value}}));
  };
  const std::string passing = "iam:PassRole arn:aws:iam::1:role/";
  EXPECT_THAT(asked_with("IamInstanceProfile.Name", "web-profile"),
              UnorderedElementsAre("ec2:RunInstances arn:aws:ec2:r:1:instance/*",
                                   "ec2:CreateTags arn:aws:ec2:r:1:instance/*",
                                   "ec2:RunInstances arn:aws:ec2:r:1:volume/*",
                                   "ec2:RunInstances arn:aws:ec2:r:1:network-interface/*", passing + "web"));
  EXPECT_EQ(asked_with("IamInstanceProfile.Arn", "arn:aws:iam::1:instance-profile/web-profile").back(),
            passing + "web");
  EXPECT_EQ(asked_with("IamInstanceProfile.Name", "other").back(), passing + "other");
  EXPECT_THAT(asked_with("IamInstanceProfile.Name", "bare"), testing::SizeIs(4)) << "no role is passed";
  const Asked asked = ec2("RunInstances", {{"IamInstanceProfile.Name", "web-profile"}});
  EXPECT_EQ(told(asked.back(), "iam:PassedToService"), "ec2.amazonaws.com");
}

TEST_F(AccessRequestsTest, AnActionWhoseResourcesAreNotKnownIsRefused) {
  const AccessWorld world{options, *state, *account};
  auto asked = access_of_ec2(world, "CreateVpc", Parameters());
  ASSERT_FALSE(asked.ok());
  const Refusal refusal = std::move(asked).error();
  EXPECT_EQ(refusal.code, "UnauthorizedOperation");
  EXPECT_THAT(refusal.message, testing::HasSubstr("ec2:CreateVpc"));
}

TEST_F(AccessRequestsTest, BlocksAreOfTheirSnapshot) {
  const std::string one = "arn:aws:ec2:r::snapshot/snap-1", other = "arn:aws:ec2:r::snapshot/snap-2";
  EXPECT_THAT(lines(ebs("PutSnapshotBlock", "PUT", "/snapshots/snap-1/blocks/3")),
              ElementsAre("ebs:PutSnapshotBlock " + one));
  EXPECT_THAT(lines(ebs("GetSnapshotBlock", "GET", "/snapshots/snap-1/blocks/3")),
              ElementsAre("ebs:GetSnapshotBlock " + one));
  EXPECT_THAT(lines(ebs("CompleteSnapshot", "POST", "/snapshots/completion/snap-1")),
              ElementsAre("ebs:CompleteSnapshot " + one));
  EXPECT_THAT(lines(ebs("ListSnapshotBlocks", "GET", "/snapshots/snap-1/blocks")),
              ElementsAre("ebs:ListSnapshotBlocks " + one));
  EXPECT_THAT(
      lines(ebs("ListChangedBlocks", "GET", "/snapshots/snap-1/changedblocks", "firstSnapshotId=snap-2")),
      ElementsAre("ebs:ListChangedBlocks " + one, "ebs:ListChangedBlocks " + other));
  const Asked asked = ebs("PutSnapshotBlock", "PUT", "/snapshots/snap-1/blocks/3");
  EXPECT_EQ(told(asked.at(0), "aws:ResourceTag/of"), "snap-1");
  EXPECT_EQ(told(asked.at(0), "aws:RequestedRegion"), "r");
}

TEST_F(AccessRequestsTest, ASnapshotOfBlocksIsTaggedWithoutSayingByWhichCall) {
  const Asked bare = ebs("StartSnapshot", "POST", "/snapshots", "", {{"VolumeSize", 1}});
  EXPECT_THAT(lines(bare), ElementsAre("ebs:StartSnapshot arn:aws:ec2:r::snapshot/*"));
  const Asked asked =
      ebs("StartSnapshot", "POST", "/snapshots", "",
          {{"VolumeSize", 1}, {"ParentSnapshotId", "snap-1"}, {"Tags", {{{"Key", "a"}, {"Value", "b"}}}}});
  ASSERT_THAT(lines(asked), ElementsAre("ebs:StartSnapshot arn:aws:ec2:r::snapshot/*",
                                        "ec2:CreateTags arn:aws:ec2:r::snapshot/*"));
  EXPECT_EQ(told(asked[0], "ebs:ParentSnapshot"), "arn:aws:ec2:r::snapshot/snap-1");
  for (const AccessRequest& one : asked) {
    EXPECT_EQ(told(one, "aws:RequestTag/a"), "b");
    EXPECT_EQ(told(one, "aws:TagKeys"), "a");
    EXPECT_EQ(told(one, "ec2:CreateAction"), "absent");
  }
}

TEST_F(AccessRequestsTest, OtherServicesNameTheirOwn) {
  ASSERT_TRUE(account->put_key({{"id", "1234"}, {"alias", "alias/dr"}}).ok());
  ASSERT_TRUE(account->put_profile({{"name", "web"}, {"path", "/apps/"}}).ok());
  const auto json_call = [&](const char* service, const char* action, const json& body) {
    HttpRequest request;
    request.body = to_bytes(as_bytes(body.dump()));
    return lines(of_request(service, action, request));
  };
  const auto query_call = [&](const char* service, const char* action, const std::string& form) {
    HttpRequest request;
    request.body = to_bytes(as_bytes(form));
    return lines(of_request(service, action, request));
  };
  for (const char* key : {"1234", "alias/dr", "arn:aws:kms:r:1:key/1234", "arn:aws:kms:r:1:alias/dr"}) {
    EXPECT_THAT(json_call("kms", "DescribeKey", {{"KeyId", key}}),
                ElementsAre("kms:DescribeKey arn:aws:kms:r:1:key/1234"));
  }
  EXPECT_THAT(json_call("kms", "DescribeKey", {{"KeyId", "9"}}),
              ElementsAre("kms:DescribeKey arn:aws:kms:r:1:key/9"));
  EXPECT_THAT(json_call("kms", "DescribeKey", {{"KeyId", "alias/none"}}), ElementsAre());
  EXPECT_THAT(json_call("servicequotas", "GetServiceQuota", {{"ServiceCode", "ec2"}, {"QuotaCode", "L-1"}}),
              ElementsAre("servicequotas:GetServiceQuota arn:aws:servicequotas:r:1:ec2/L-1"));
  EXPECT_THAT(json_call("servicequotas", "GetAWSDefaultServiceQuota", {{"ServiceCode", "ec2"}}),
              ElementsAre("servicequotas:GetAWSDefaultServiceQuota *"));
  EXPECT_THAT(query_call("iam", "GetInstanceProfile", "InstanceProfileName=web"),
              ElementsAre("iam:GetInstanceProfile arn:aws:iam::1:instance-profile/apps/web"));
  EXPECT_THAT(query_call("sts", "GetCallerIdentity", ""), ElementsAre()) << "everybody may";
  EXPECT_THAT(query_call("sts", "AssumeRole", "RoleArn=arn:aws:iam::1:role/dr"),
              ElementsAre("sts:AssumeRole arn:aws:iam::1:role/dr"));
}

TEST_F(AccessRequestsTest, ACommandIsSentToItsDocumentAndToEachInstance) {
  const auto asked_by = [&](const char* action, const json& body) {
    HttpRequest request;
    request.body = to_bytes(as_bytes(body.dump()));
    return of_request("ssm", action, request);
  };
  const Asked asked =
      asked_by("SendCommand", {{"DocumentName", "AWS-RunShellScript"}, {"InstanceIds", {"i-1", "i-9"}}});
  ASSERT_THAT(lines(asked), ElementsAre("ssm:SendCommand arn:aws:ssm:r::document/AWS-RunShellScript",
                                        "ssm:SendCommand arn:aws:ec2:r:1:instance/i-1",
                                        "ssm:SendCommand arn:aws:ec2:r:1:instance/i-9"));
  EXPECT_EQ(told(asked[0], "aws:ResourceTag/of"), "absent");
  EXPECT_EQ(told(asked[1], "aws:ResourceTag/of"), "i-1");
  EXPECT_EQ(told(asked[1], "ssm:resourceTag/of"), "i-1");
  EXPECT_EQ(told(asked[1], "ec2:ResourceTag/of"), "absent") << "that is a key of EC2's calls";
  EXPECT_EQ(told(asked[2], "aws:ResourceTag/of"), "absent");
  EXPECT_EQ(told(asked[0], "aws:RequestedRegion"), "r");
  EXPECT_THAT(lines(asked_by("SendCommand", {{"DocumentName", "mine"}, {"InstanceIds", 7}})),
              ElementsAre("ssm:SendCommand arn:aws:ssm:r:1:document/mine"));
  for (const char* action :
       {"CancelCommand", "ListCommands", "GetCommandInvocation", "DescribeInstanceInformation"})
    EXPECT_THAT(lines(asked_by(action, {{"InstanceId", "i-1"}})),
                ElementsAre("ssm:" + std::string(action) + " *"));
}

TEST(ConditionKeys, AreKnownWhereARequestTellsThem) {
  for (const char* key : {"ssm:resourceTag/a", "aws:RequestTag/rekindle:token", "aws:ResourceTag/a",
                          "AWS:tagkeys", "kms:GrantIsForAWSResource", "iam:PassedToService"})
    EXPECT_TRUE(is_known_condition_key(key)) << key;
  for (const char* key : {"aws:RequestTag/", "aws:SourceIp", "ec2:InstanceType", ""})
    EXPECT_FALSE(is_known_condition_key(key)) << key;
}

}  // namespace
}  // namespace rekindle::sandbox
