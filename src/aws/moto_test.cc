// The AWS site against moto: encodings and happy paths, as another's reading of the AWS API sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "aws/aws_site.h"
#include "aws/credential_sources.h"
#include "aws/moto_server_for_tests.h"
#include "net/curl_transport.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class MotoTest : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_MOTO();
    auto started = MotoServer::start();
    ASSERT_TRUE(started.ok()) << started.error().message();
    moto = *std::move(started);
    AwsSiteOptions options;
    options.region = "eu-central-1";
    options.endpoint = moto->url();
    options.credentials = {"AKIDEXAMPLE", "secret", "session/token+="};
    auto made = AwsSite::make(options, transport, clock, random);
    ASSERT_TRUE(made.ok()) << made.error().message();
    site = *std::move(made);
  }

  // One answer of EC2 that the product itself does not ask for.
  QueryAnswer ask(const QueryForm& form) {
    QueryClient ec2(*ServiceClient::make({"ec2", "eu-central-1", moto->url(), {"AKIDEXAMPLE", "secret", ""}},
                                         transport, clock, random),
                    "2016-11-15", clock);
    auto answer = ec2.call(form);
    EXPECT_TRUE(answer.ok()) << answer.error().message();
    return *std::move(answer);
  }
  std::string make_subnet() {
    QueryForm vpc("CreateVpc");
    vpc.set("CidrBlock", "10.7.0.0/16");
    QueryForm subnet("CreateSubnet");
    subnet.set("VpcId", ask(vpc).root().child("vpc").text("vpcId")).set("CidrBlock", "10.7.1.0/24");
    subnet.set("AvailabilityZone", "eu-central-1a");
    return ask(subnet).root().child("subnet").text("subnetId");
  }
  ImageId write_image(const Tags& tags) {
    const auto id = site->start_image({2 * gib, {}, "a disk", "token", tags});
    EXPECT_TRUE(id.ok()) << id.error().message();
    return *id;
  }
  LaunchSpec launch_of(const Tags& tags) {
    TemplateSpec spec;
    spec.name = "rekindle web 1";
    spec.disks = {{write_image(tags), ""}};
    spec.tags = tags;
    LaunchSpec launch;
    launch.image_template = *site->register_template(spec);
    launch.instance_type = "t3.micro";
    launch.subnet_id = make_subnet();
    launch.token = "token-1";
    launch.tags = tags;
    return launch;
  }
  // moto calls a snapshot completed from the start, so AwsSite::open_writer refuses it; the client below it
  // does not.
  void put(const ImageId& image, std::uint64_t index, const Bytes& block) {
    const auto put = site->ebs().put_block(image, index, block, sha256(block));
    EXPECT_TRUE(put.ok()) << put.error().message();
  }

  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<MotoServer> moto;
  std::unique_ptr<AwsSite> site;
};

TEST_F(MotoTest, AssumesARole) {
  const CredentialContext context{transport, clock, random, "eu-central-1", moto->url()};
  const auto role = assumed_role_credentials(context, {"AKIDEXAMPLE", "secret"},
                                             {"arn:aws:iam::123456789012:role/rekindle", "external"});
  const auto keys = role.get();
  ASSERT_TRUE(keys.ok()) << keys.error().message();
  EXPECT_THAT(keys->access_key_id, testing::StartsWith("ASIA"));
  EXPECT_FALSE(keys->session_token.empty());
}

TEST_F(MotoTest, KnowsWhoWeAreAndKeepsAnImageBlockForBlock) {
  const auto identity = site->identity();
  ASSERT_TRUE(identity.ok()) << identity.error().message();
  EXPECT_EQ(*identity, "123456789012");

  const Tags tags{{"rekindle", "yes"}, {"name", "web & db=\"1\" +ä"}};
  const ImageId id = write_image(tags);
  const Bytes first = SeededRandom(1).bytes(image_block_bytes);
  const Bytes second = SeededRandom(2).bytes(image_block_bytes);
  put(id, 0, first);
  put(id, 4095, second);
  Bytes digests = to_bytes(sha256(first));
  const Sha256 other = sha256(second);
  digests.insert(digests.end(), other.begin(), other.end());
  ASSERT_TRUE(site->ebs().complete_snapshot(id, 2, sha256(digests)).ok());

  const auto image = site->image(id);
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(image->state, ImageState::complete);
  EXPECT_EQ(image->size_bytes, 2 * gib);
  EXPECT_EQ(image->tags, tags);

  // Not through open_image: moto lists block indexes as strings, AWS as integers.
  EXPECT_EQ(*site->ebs().get_block(id, 4095, "moto takes any token"), second);

  const auto found = site->find_images(tags);
  ASSERT_TRUE(found.ok()) << found.error().message();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().id, id);
  EXPECT_TRUE(site->find_images({{"rekindle", "no"}})->empty());

  EXPECT_TRUE(site->remove_image(id).ok());
  EXPECT_TRUE(site->remove_image(id).ok()) << "absent is fine";
  EXPECT_EQ(site->image(id).error().code(), ErrorCode::not_found);
}

TEST_F(MotoTest, LaunchesAnInstanceWithItsAddressAndTagsAndTerminatesIt) {
  const Tags tags{{"rekindle", "yes"}};
  TemplateSpec spec;
  spec.name = "rekindle web 1";
  spec.disks = {{write_image(tags), ""}};
  spec.tags = tags;
  const auto registered = site->register_template(spec);
  ASSERT_TRUE(registered.ok()) << registered.error().message();
  EXPECT_TRUE(site->find_templates(tags).ok());  // moto forgets the tags of RegisterImage
  const auto named = site->ec2().images_named("rekindle web 1");
  ASSERT_EQ(named->size(), 1U);
  EXPECT_EQ(named->front().id, *registered);

  LaunchSpec launch;
  launch.image_template = *registered;
  launch.instance_type = "t3.micro";
  launch.subnet_id = make_subnet();
  launch.private_ip = "10.7.1.20";
  launch.token = "token-1";
  launch.tags = tags;
  const auto accepted = site->check_launch(launch);
  EXPECT_TRUE(accepted.ok()) << accepted.error().message();

  const auto id = site->launch(launch);
  ASSERT_TRUE(id.ok()) << id.error().message();
  const auto instance = site->instance(*id);
  ASSERT_TRUE(instance.ok()) << instance.error().message();
  EXPECT_EQ(instance->private_ip, "10.7.1.20");
  EXPECT_EQ(instance->tags, tags);
  EXPECT_EQ(instance->state, InstanceState::running);
  EXPECT_FALSE(instance->volume_ids.empty());
  EXPECT_EQ(site->find_instances(tags)->size(), 1U);
  EXPECT_TRUE(site->console_output(*id).ok());

  const auto taken = site->check_launch(launch);
  EXPECT_EQ(taken.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(taken.error().message(), HasSubstr("10.7.1.20"));

  EXPECT_TRUE(site->terminate(*id).ok());
  EXPECT_TRUE(site->find_instances(tags)->empty());
  EXPECT_TRUE(site->remove_template(*registered).ok());
  EXPECT_TRUE(site->remove_template(*registered).ok()) << "absent is fine";
}

TEST_F(MotoTest, RefusesWhatDoesNotExistInWordsThatNameIt) {
  LaunchSpec launch;
  launch.instance_type = "t3.micro";
  launch.subnet_id = "subnet-00000000000000009";
  EXPECT_THAT(site->check_launch(launch).error().message(), HasSubstr("subnet-00000000000000009"));
  launch.subnet_id = make_subnet();
  launch.instance_type = "m99.enormous";
  EXPECT_THAT(site->check_launch(launch).error().message(), HasSubstr("m99.enormous"));
  launch.instance_type = "t3.micro";
  launch.security_group_ids = {"sg-00000000000000009"};
  EXPECT_THAT(site->check_launch(launch).error().message(), HasSubstr("sg-00000000000000009"));
  EXPECT_EQ(site->instance(InstanceId("i-00000000000000009")).error().code(), ErrorCode::not_found);
  EXPECT_TRUE(site->terminate(InstanceId("i-00000000000000009")).ok());
}

TEST_F(MotoTest, MakesAttachesAndRemovesAVolume) {
  const Tags tags{{"rekindle", "yes"}};
  const InstanceId instance = *site->launch(launch_of({}));

  Ec2Client& ec2 = site->ec2();
  const auto volume = ec2.create_volume({"eu-central-1a", 3, {}, "gp3", "token-2", tags});
  ASSERT_TRUE(volume.ok()) << volume.error().message();
  ASSERT_TRUE(ec2.attach_volume(volume->id, instance, "/dev/sdf").ok());
  const auto attached = ec2.volumes({.ids = {volume->id}, .tags = {}});
  ASSERT_TRUE(attached.ok()) << attached.error().message();
  ASSERT_EQ(attached->size(), 1U);
  EXPECT_EQ(attached->front().size_gib, 3U);
  ASSERT_EQ(attached->front().attachments.size(), 1U);
  EXPECT_EQ(attached->front().attachments.front().instance, instance);
  EXPECT_EQ(attached->front().tags, tags);
  EXPECT_EQ(ec2.volumes({.ids = {}, .tags = tags})->size(), 1U);
  const auto snapshot = ec2.create_snapshot(volume->id, "of a volume", {{"kind", "volume"}});
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
  EXPECT_TRUE(ec2.create_tags({snapshot->id.str()}, {{"late", "yes"}}).ok());
  EXPECT_EQ(ec2.snapshots({.ids = {snapshot->id}, .tags = {}})->front().tags,
            (Ec2Tags{{"kind", "volume"}, {"late", "yes"}}));
  EXPECT_TRUE(ec2.detach_volume(volume->id, instance).ok());
  EXPECT_TRUE(ec2.delete_volume(volume->id).ok());
  EXPECT_EQ(ec2.delete_volume(volume->id).error().code(), ErrorCode::not_found);
}

TEST_F(MotoTest, StopsStartsAndChecksAnInstance) {
  const InstanceId id = *site->launch(launch_of({}));
  EXPECT_TRUE(*site->passes_site_checks(id));
  ASSERT_TRUE(site->stop(id).ok());
  EXPECT_EQ(site->instance(id)->state, InstanceState::stopped);
  EXPECT_FALSE(*site->passes_site_checks(id)) << "of one that does not run, none is ok";
  ASSERT_TRUE(site->start(id).ok());
  EXPECT_EQ(site->instance(id)->state, InstanceState::running);
  EXPECT_EQ(site->stop(InstanceId("i-00000000000000009")).error().code(), ErrorCode::not_found);
}

TEST_F(MotoTest, GivesAnInstanceItsElasticIpAndLetsItRoute) {
  LaunchSpec launch = launch_of({});
  QueryForm allocate("AllocateAddress");
  const QueryAnswer address = ask(allocate.set("Domain", "vpc"));
  launch.elastic_ip = address.root().text("allocationId");
  launch.source_dest_check = false;
  const auto accepted = site->check_launch(launch);
  EXPECT_TRUE(accepted.ok()) << accepted.error().message();
  const InstanceId id = *site->launch(launch);
  const auto adjusted = site->adjust(id, launch);
  ASSERT_TRUE(adjusted.ok()) << adjusted.error().message();
  EXPECT_EQ(site->instance(id)->public_ip, address.root().text("publicIp"));
  EXPECT_TRUE(site->adjust(id, launch).ok()) << "again is fine";
  QueryForm attribute("DescribeInstanceAttribute");
  attribute.set("InstanceId", id.str()).set("Attribute", "sourceDestCheck");
  EXPECT_EQ(ask(attribute).root().child("sourceDestCheck").text("value"), "false");

  launch.elastic_ip = "eipalloc-00000000000000009";
  EXPECT_THAT(site->check_launch(launch).error().message(), HasSubstr("eipalloc-00000000000000009"));
}

TEST_F(MotoTest, FindsWhatCarriesATagByKind) {
  const Tags tags{{"rekindle:token", "t-1"}};
  const InstanceId instance = *site->launch(launch_of(tags));
  const auto volume = site->ec2().create_volume({"eu-central-1a", 1, {}, "gp3", "token-2", tags});
  const auto found = site->ec2().tagged("rekindle:token");
  ASSERT_TRUE(found.ok()) << found.error().message();
  std::map<std::string, std::string> kinds;
  for (const Ec2Tagged& one : *found) {
    kinds[one.resource_id] = one.resource_type;
    EXPECT_EQ(one.value, "t-1");
  }
  EXPECT_EQ(kinds[instance.str()], "instance");
  EXPECT_EQ(kinds[volume->id.str()], "volume");
  EXPECT_THAT(kinds, testing::Contains(testing::Pair(testing::StartsWith("snap-"), "snapshot")));
  EXPECT_TRUE(site->ec2().tagged("rekindle:nothing")->empty());
}

TEST_F(MotoTest, FreezesAnInstanceWithAllItsVolumes) {
  const InstanceId instance = *site->launch(launch_of({}));
  Ec2Client& ec2 = site->ec2();
  const auto volume = ec2.create_volume({"eu-central-1a", 3, {}, "gp3", "token-2", {}});
  ASSERT_TRUE(ec2.attach_volume(volume->id, instance, "/dev/sdf").ok());
  const auto frozen = ec2.create_snapshots(instance, "of an instance", {{"kind", "frozen"}});
  ASSERT_TRUE(frozen.ok()) << frozen.error().message();
  ASSERT_EQ(frozen->size(), 2U);
  EXPECT_THAT(std::vector({frozen->at(0).volume, frozen->at(1).volume}), testing::Contains(volume->id));
  EXPECT_EQ(ec2.snapshots({.ids = {}, .tags = {{"kind", "frozen"}}})->size(), 2U);
}

TEST_F(MotoTest, ReadsTheInstanceTypesOfAFamilyAndTheirZones) {
  const auto types = site->ec2().instance_types({"t3.*"});
  ASSERT_TRUE(types.ok()) << types.error().message();
  const auto micro = std::find_if(types->begin(), types->end(),
                                  [](const Ec2InstanceType& type) { return type.name == "t3.micro"; });
  ASSERT_NE(micro, types->end());
  EXPECT_EQ(micro->vcpus, 2);
  EXPECT_EQ(micro->memory_mib, 1024U);
  EXPECT_THAT(*site->ec2().zones_offering("t3.micro"), testing::Contains("eu-central-1a"));
  EXPECT_TRUE(site->ec2().zones_offering("m99.enormous")->empty());
}

TEST_F(MotoTest, ADryRunMakesNothing) {
  const Tags tags{{"rekindle", "dry"}};
  const LaunchSpec launch = launch_of(tags);
  ASSERT_TRUE(site->check_launch(launch).ok());
  EXPECT_TRUE(site->find_instances(tags)->empty());
  TemplateSpec spec;
  spec.name = "rekindle dry";
  spec.disks = {{write_image({}), ""}};
  const auto accepted = site->check_template(spec);
  EXPECT_TRUE(accepted.ok()) << accepted.error().message();
  EXPECT_TRUE(site->ec2().images_named(spec.name)->empty());
}

}  // namespace
}  // namespace rekindle
