// The AWS clients against two servers: the local region, which we wrote, and moto, which nobody here wrote.
// What both can answer they must answer alike. moto verifies no signatures, keeps no quotas, makes everything
// at once and is wrong in places: there the documentation wins, and nothing is asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "aws/aws_site.h"
#include "aws/credential_sources.h"
#include "aws/moto_server_for_tests.h"
#include "crypto/hash.h"
#include "net/curl_transport.h"
#include "sandbox/region/region.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class AwsServers : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "moto") {
      SKIP_WITHOUT_MOTO();
      auto started = MotoServer::start();
      ASSERT_TRUE(started.ok()) << started.error().message();
      moto = *std::move(started);
      url = moto->url();
    } else {
      start_region();
    }
    ASSERT_FALSE(url.empty()) << "or AWS itself would be asked";
    AwsSiteOptions options;
    options.region = "eu-central-1";
    options.endpoint = url;
    options.credentials = {"AKIDEXAMPLE", "secret", moto ? "session/token+=" : ""};
    auto made = AwsSite::make(options, transport, clock, random);
    ASSERT_TRUE(made.ok()) << made.error().message();
    site = *std::move(made);
  }
  void TearDown() override {
    if (region == nullptr) return;
    EXPECT_TRUE(region->terminate_everything().ok());
  }

  void start_region() {
    sandbox::RegionOptions options;
    options.directory = directory.path();
    options.name = "eu-central-1";
    options.access_key = "AKIDEXAMPLE";
    options.secret_key = "secret";
    options.account_id = "123456789012";
    options.knobs.instance_stop_grace = std::chrono::milliseconds(300);
    region = sandbox::Region::start(options).value();
    url = region->endpoint();
    HttpRequest role;
    role.method = "POST";
    role.url = url + "/rekindle-sandbox/roles";
    role.body = to_bytes(as_bytes(R"({"name": "rekindle", "external_id": "external"})"));
    ASSERT_EQ(transport.send(role).value().status, 200);
  }

  // An empty one after a failure, on which the test goes on and fails again.
  template <typename T>
  static T value_of(const Result<T>& result) {
    if (result.ok()) return *result;
    ADD_FAILURE() << result.error().message();
    return T();
  }
  // One answer of EC2 that the product itself does not ask for.
  QueryAnswer ask(const QueryForm& form) {
    QueryClient ec2(*ServiceClient::make({"ec2", "eu-central-1", url, {"AKIDEXAMPLE", "secret", ""}},
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

  // Asks until it is so, a minute long, for one of the servers takes its time; an error ends it.
  void until(const std::function<Result<bool>()>& so) {
    for (int i = 0; i < 600; ++i, clock.sleep(std::chrono::milliseconds(100))) {
      const auto answer = so();
      ASSERT_TRUE(answer.ok()) << answer.error().message();
      if (*answer) return;
    }
    ADD_FAILURE() << "it did not become so";
  }
  void until_state(const InstanceId& id, InstanceState state) {
    until([&]() -> Result<bool> {
      const Instance instance = TRY(site->instance(id));
      return instance.state == state;
    });
  }

  // moto calls a snapshot completed from the start, so AwsSite::open_writer refuses it; the client below it
  // does not.
  void write(const ImageId& id, const std::map<std::uint64_t, Bytes>& blocks) {
    Bytes digests;
    for (const auto& [index, block] : blocks) {
      const Sha256 digest = sha256(block);
      const auto put = site->ebs().put_block(id, index, block, digest);
      ASSERT_TRUE(put.ok()) << put.error().message();
      digests.insert(digests.end(), digest.begin(), digest.end());
    }
    const auto completed = site->ebs().complete_snapshot(id, blocks.size(), sha256(digests));
    ASSERT_TRUE(completed.ok()) << completed.error().message();
    until([&] { return site->image(id).value().state == ImageState::complete; });
  }
  ImageId start_image(const Tags& tags) {
    const std::string token = "token-" + std::to_string(++images);
    const auto id = site->start_image({2 * gib, {}, "a disk", token, tags});
    return value_of(id);
  }
  ImageId make_image(const Tags& tags) {
    const ImageId id = start_image(tags);
    write(id, {{0, Bytes(image_block_bytes, std::byte{1})}});
    return id;
  }
  LaunchSpec launch_of(const Tags& tags) {
    TemplateSpec spec;
    spec.name = "rekindle web 1";
    spec.disks = {{make_image(tags), ""}};
    spec.tags = tags;
    LaunchSpec launch;
    launch.image_template = value_of(site->register_template(spec));
    launch.instance_type = "t3.micro";
    launch.subnet_id = make_subnet();
    launch.token = "token-1";
    launch.tags = tags;
    return launch;
  }
  InstanceId run(const LaunchSpec& launch) {
    const InstanceId id = value_of(site->launch(launch));
    until_state(id, InstanceState::running);
    return id;
  }
  VolumeId make_volume(std::uint64_t size_gib, const Tags& tags) {
    const VolumeId id =
        value_of(site->ec2().create_volume({"eu-central-1a", size_gib, {}, "gp3", "token-2", tags})).id;
    until([&]() -> Result<bool> {
      const auto volumes = TRY(site->ec2().volumes({.ids = {id}, .tags = {}}));
      return !volumes.empty() && volumes.front().state == "available";
    });
    return id;
  }

  TemporaryDirectory directory = TemporaryDirectory::make("rk").value();
  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  int images = 0;
  std::unique_ptr<MotoServer> moto;
  std::unique_ptr<sandbox::Region> region;
  std::string url;
  std::unique_ptr<AwsSite> site;
};

INSTANTIATE_TEST_SUITE_P(Both, AwsServers, testing::Values("region", "moto"),
                         [](const auto& server) { return server.param; });

TEST_P(AwsServers, AssumesARole) {
  const CredentialContext context{transport, clock, random, "eu-central-1", url};
  const auto role = assumed_role_credentials(context, {"AKIDEXAMPLE", "secret"},
                                             {"arn:aws:iam::123456789012:role/rekindle", "external"});
  const auto keys = role.get();
  ASSERT_TRUE(keys.ok()) << keys.error().message();
  EXPECT_THAT(keys->access_key_id, testing::StartsWith("ASIA"));
  EXPECT_FALSE(keys->session_token.empty());
}

TEST_P(AwsServers, KnowsWhoWeAreAndKeepsAnImageBlockForBlock) {
  const auto identity = site->identity();
  ASSERT_TRUE(identity.ok()) << identity.error().message();
  EXPECT_EQ(*identity, "123456789012");

  const Tags tags{{"rekindle", "yes"}, {"name", "web & db=\"1\" +ä"}};
  const ImageId id = start_image(tags);
  const Bytes second = SeededRandom(2).bytes(image_block_bytes);
  write(id, {{0, SeededRandom(1).bytes(image_block_bytes)}, {4095, second}});

  const auto image = site->image(id);
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(image->state, ImageState::complete);
  EXPECT_EQ(image->size_bytes, 2 * gib);
  EXPECT_EQ(image->tags, tags);

  if (moto) {  // it lists block indexes as strings, AWS as integers
    EXPECT_EQ(*site->ebs().get_block(id, 4095, "moto takes any token"), second);
  } else {
    Bytes read(image_block_bytes);
    ASSERT_TRUE(site->open_image(id).value()->read_at(4095 * image_block_bytes, read).ok());
    EXPECT_EQ(read, second);
  }

  const auto found = site->find_images(tags);
  ASSERT_TRUE(found.ok()) << found.error().message();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().id, id);
  EXPECT_TRUE(site->find_images({{"rekindle", "no"}})->empty());

  EXPECT_TRUE(site->remove_image(id).ok());
  EXPECT_TRUE(site->remove_image(id).ok()) << "absent is fine";
  EXPECT_EQ(site->image(id).error().code(), ErrorCode::not_found);
}

TEST_P(AwsServers, LaunchesAnInstanceWithItsAddressAndTagsAndTerminatesIt) {
  const Tags tags{{"rekindle", "yes"}};
  TemplateSpec spec;
  spec.name = "rekindle web 1";
  spec.disks = {{make_image(tags), ""}};
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

  const InstanceId id = run(launch);
  const auto instance = site->instance(id);
  ASSERT_TRUE(instance.ok()) << instance.error().message();
  EXPECT_EQ(instance->private_ip, "10.7.1.20");
  EXPECT_EQ(instance->tags, tags);
  EXPECT_EQ(instance->state, InstanceState::running);
  EXPECT_FALSE(instance->volume_ids.empty());
  EXPECT_EQ(site->find_instances(tags)->size(), 1U);
  EXPECT_TRUE(site->console_output(id).ok());

  const auto taken = site->check_launch(launch);
  EXPECT_EQ(taken.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(taken.error().message(), HasSubstr("10.7.1.20"));

  EXPECT_TRUE(site->terminate(id).ok());
  until_state(id, InstanceState::terminated);
  EXPECT_TRUE(site->find_instances(tags)->empty());
  EXPECT_TRUE(site->remove_template(*registered).ok());
  EXPECT_TRUE(site->remove_template(*registered).ok()) << "absent is fine";
}

TEST_P(AwsServers, RefusesWhatDoesNotExistInWordsThatNameIt) {
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

TEST_P(AwsServers, MakesAttachesAndRemovesAVolume) {
  const Tags tags{{"rekindle", "yes"}};
  const InstanceId instance = run(launch_of({}));

  ASSERT_TRUE(site->stop(instance).ok());  // a guest that runs may keep a disk
  until_state(instance, InstanceState::stopped);
  Ec2Client& ec2 = site->ec2();
  const VolumeId volume = make_volume(3, tags);
  ASSERT_TRUE(ec2.attach_volume(volume, instance, "/dev/sdf").ok());
  const auto attached = ec2.volumes({.ids = {volume}, .tags = {}});
  ASSERT_TRUE(attached.ok()) << attached.error().message();
  ASSERT_EQ(attached->size(), 1U);
  EXPECT_EQ(attached->front().size_gib, 3U);
  ASSERT_EQ(attached->front().attachments.size(), 1U);
  EXPECT_EQ(attached->front().attachments.front().instance, instance);
  EXPECT_EQ(attached->front().tags, tags);
  EXPECT_EQ(ec2.volumes({.ids = {}, .tags = tags})->size(), 1U);
  const auto snapshot = ec2.create_snapshot(volume, "of a volume", {{"kind", "volume"}});
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
  EXPECT_TRUE(ec2.create_tags({snapshot->id.str()}, {{"late", "yes"}}).ok());
  EXPECT_EQ(ec2.snapshots({.ids = {snapshot->id}, .tags = {}})->front().tags,
            (Ec2Tags{{"kind", "volume"}, {"late", "yes"}}));
  EXPECT_TRUE(ec2.detach_volume(volume, instance).ok());
  EXPECT_TRUE(ec2.delete_volume(volume).ok());
  EXPECT_EQ(ec2.delete_volume(volume).error().code(), ErrorCode::not_found);
}

TEST_P(AwsServers, StopsStartsAndChecksAnInstance) {
  const InstanceId id = run(launch_of({}));
  until([&] { return site->passes_site_checks(id); });
  ASSERT_TRUE(site->stop(id).ok());
  until_state(id, InstanceState::stopped);
  EXPECT_FALSE(*site->passes_site_checks(id)) << "of one that does not run, none is ok";
  ASSERT_TRUE(site->start(id).ok());
  until_state(id, InstanceState::running);
  EXPECT_EQ(site->stop(InstanceId("i-00000000000000009")).error().code(), ErrorCode::not_found);
}

TEST_P(AwsServers, GivesAnInstanceItsElasticIpAndLetsItRoute) {
  LaunchSpec launch = launch_of({});
  QueryForm allocate("AllocateAddress");
  const QueryAnswer address = ask(allocate.set("Domain", "vpc"));
  launch.elastic_ip = address.root().text("allocationId");
  launch.source_dest_check = false;
  const auto accepted = site->check_launch(launch);
  EXPECT_TRUE(accepted.ok()) << accepted.error().message();
  const InstanceId id = run(launch);
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

TEST_P(AwsServers, FindsWhatCarriesATagByKind) {
  const Tags tags{{"rekindle:token", "t-1"}};
  const InstanceId instance = run(launch_of(tags));
  const VolumeId volume = make_volume(1, tags);
  const auto found = site->ec2().tagged("rekindle:token");
  ASSERT_TRUE(found.ok()) << found.error().message();
  std::map<std::string, std::string> kinds;
  for (const Ec2Tagged& one : *found) {
    kinds[one.resource_id] = one.resource_type;
    EXPECT_EQ(one.value, "t-1");
  }
  EXPECT_EQ(kinds[instance.str()], "instance");
  EXPECT_EQ(kinds[volume.str()], "volume");
  EXPECT_THAT(kinds, testing::Contains(testing::Pair(testing::StartsWith("snap-"), "snapshot")));
  EXPECT_TRUE(site->ec2().tagged("rekindle:nothing")->empty());
}

TEST_P(AwsServers, FreezesAnInstanceWithAllItsVolumes) {
  const InstanceId instance = run(launch_of({}));
  Ec2Client& ec2 = site->ec2();
  const VolumeId volume = make_volume(3, {});
  ASSERT_TRUE(ec2.attach_volume(volume, instance, "/dev/sdf").ok());
  const auto frozen = ec2.create_snapshots(instance, "of an instance", {{"kind", "frozen"}});
  ASSERT_TRUE(frozen.ok()) << frozen.error().message();
  ASSERT_EQ(frozen->size(), 2U);
  EXPECT_THAT(std::vector({frozen->at(0).volume, frozen->at(1).volume}), testing::Contains(volume));
  EXPECT_EQ(ec2.snapshots({.ids = {}, .tags = {{"kind", "frozen"}}})->size(), 2U);
}

TEST_P(AwsServers, ReadsTheInstanceTypesOfAFamilyAndTheirZones) {
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

TEST_P(AwsServers, ADryRunMakesNothing) {
  const Tags tags{{"rekindle", "dry"}};
  const LaunchSpec launch = launch_of(tags);
  ASSERT_TRUE(site->check_launch(launch).ok());
  EXPECT_TRUE(site->find_instances(tags)->empty());
  TemplateSpec spec;
  spec.name = "rekindle dry";
  spec.disks = {{make_image({}), ""}};
  const auto accepted = site->check_template(spec);
  EXPECT_TRUE(accepted.ok()) << accepted.error().message();
  EXPECT_TRUE(site->ec2().images_named(spec.name)->empty());
}

}  // namespace
}  // namespace rekindle
