// The product's AWS site against the local region: neither half has seen the other's reading of the
// protocols.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "aws/credential_sources.h"
#include "contract/aws_site_contract.h"
#include "crypto/hash.h"

namespace rekindle {
namespace {

TEST_F(AwsSiteContract, KnowsWhoItIsAndSaysWhenTheSecretIsWrong) {
  EXPECT_EQ(site->identity().value(), "123456789012");
  const auto refused = make_site("wrong")->identity();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
}

TEST_F(AwsSiteContract, AChildImageHoldsItsOwnBlocksAndThoseOfItsParent) {
  const ImageId parent = make_image("t1", std::nullopt, {{0, 1}, {5, 2}});
  const ImageId child = make_image("t2", parent, {{5, 3}, {9, 0}});
  EXPECT_EQ(block(child, 0), pattern(1));
  EXPECT_EQ(block(child, 5), pattern(3));
  EXPECT_EQ(block(parent, 5), pattern(2)) << "the parent did not change";
  EXPECT_TRUE(all_zero(block(child, 7)));
  EXPECT_EQ(site->image(child)->parent, parent);
  EXPECT_EQ(site->ebs().changed_blocks(child, parent).value(), (std::vector<std::uint64_t>{5, 9}));
  ASSERT_TRUE(site->remove_image(parent).ok());
  EXPECT_EQ(block(child, 0), pattern(1)) << "a child outlives its parent";
}

TEST_F(AwsSiteContract, ASessionThatEndsWhileAnImageIsWrittenIsRenewed) {
  HttpRequest role;
  role.method = "POST";
  role.url = region->endpoint() + "/rekindle-sandbox/roles";
  role.body = to_bytes(as_bytes(R"({"name": "dr", "external_id": "x1", "life_seconds": 1})"));
  ASSERT_EQ(transport.send(role).value().status, 200);
  const CredentialContext context{transport, clock, random, "us-east-1", region->endpoint()};
  AwsSiteOptions options;
  options.region = "us-east-1";
  options.endpoint = region->endpoint();
  options.credentials = assumed_role_credentials(context, {"AKIDEXAMPLE", "secret"},
                                                 {"arn:aws:iam::123456789012:role/dr", "x1"});
  site = AwsSite::make(options, transport, clock, random).value();
  const ImageId id = site->start_image({1 * gib, {}, "", "token", {}}).value();
  const auto writer = site->open_writer(id).value();
  ASSERT_TRUE(writer->put_block(0, pattern(1)).ok());
  clock.sleep(std::chrono::milliseconds(1100));
  const auto put = writer->put_block(1, pattern(2));
  ASSERT_TRUE(put.ok()) << put.error().message();
  clock.sleep(std::chrono::milliseconds(1100));
  const auto completed = writer->complete();
  ASSERT_TRUE(completed.ok()) << completed.error().message();
  EXPECT_EQ(block(id, 1), pattern(2));
  EXPECT_GE(region->calls().at("AssumeRole").calls, 3U);
}

TEST_F(AwsSiteContract, TheSameTokenIsTheSameImage) {
  const ImageId first = make_image("t1", std::nullopt, {{0, 1}});
  ImageSpec spec;
  spec.size_bytes = 1 * gib;
  spec.token = "t1";
  spec.tags = {{"rekindle:token", "t1"}};
  EXPECT_EQ(site->start_image(spec).value(), first);
  EXPECT_EQ(site->find_images({{"rekindle:token", "t1"}})->size(), 1U);
}

TEST_F(AwsSiteContract, ANewProcessCompletesWhatAnEarlierOneBegan) {
  ImageSpec spec;
  spec.size_bytes = 1 * gib;
  spec.token = "t1";
  const ImageId id = site->start_image(spec).value();
  ASSERT_TRUE(site->open_writer(id).value()->put_block(3, pattern(7)).ok());
  site = make_site("secret");
  auto writer = site->open_writer(id).value();
  writer->resume_from({{3, sha256(pattern(7))}});
  ASSERT_TRUE(writer->put_block(4, pattern(8)).ok());
  const auto completed = writer->complete();
  ASSERT_TRUE(completed.ok()) << completed.error().message();
  EXPECT_EQ(block(id, 3), pattern(7));
}

TEST_F(AwsSiteContract, LaunchSettingsThatCannotBeAreNamed) {
  LaunchSpec spec;
  spec.instance_type = "t3.small";
  spec.subnet_id = network.subnet_id;
  spec.security_group_ids = {network.security_group_id};
  spec.token = "t1";
  EXPECT_TRUE(site->check_launch(spec).ok());
  LaunchSpec wrong = spec;
  wrong.instance_type = "t9.huge";
  EXPECT_NE(site->check_launch(wrong).error().message().find("t9.huge"), std::string::npos);
  wrong = spec;
  wrong.subnet_id = "subnet-00000000000000000";
  EXPECT_NE(site->check_launch(wrong).error().message().find("subnet-0"), std::string::npos);
}

TEST_F(AwsSiteContract, AnInstanceIsLaunchedOnceFoundByItsTagAndGone) {
  const ImageId image = make_image("t1", std::nullopt, {{0, 1}});
  TemplateSpec machine;
  machine.name = "rekindle-contract";
  machine.disks = {{image, ""}};
  machine.tags = {{"rekindle:token", "rekindle-contract"}};
  const TemplateId id = site->register_template(machine).value();
  EXPECT_EQ(site->register_template(machine).value(), id);
  LaunchSpec spec;
  spec.image_template = id;
  spec.instance_type = "t3.small";
  spec.subnet_id = network.subnet_id;
  spec.security_group_ids = {network.security_group_id};
  spec.private_ip = "10.0.1.77";
  spec.token = "launch-1";
  spec.tags = {{"rekindle:token", "launch-1"}};
  const InstanceId instance = site->launch(spec).value();
  EXPECT_EQ(site->launch(spec).value(), instance) << "a retry makes no second one";
  EXPECT_EQ(site->instance(instance)->private_ip, "10.0.1.77");
  EXPECT_EQ(site->find_instances(spec.tags)->size(), 1U);
  ASSERT_TRUE(site->terminate(instance).ok());
  ASSERT_TRUE(site->remove_template(id).ok());
  while (site->instance(instance)->state != InstanceState::terminated)
    clock.sleep(std::chrono::milliseconds(50));
  EXPECT_TRUE(site->find_instances(spec.tags)->empty());
  EXPECT_TRUE(site->remove_image(image).ok());
}

TEST_F(AwsSiteContract, AnInstanceIsWhatThePlanSays) {
  const ImageId image = make_image("t1", std::nullopt, {{0, 1}});
  TemplateSpec machine;
  machine.name = "rekindle-settings";
  machine.disks = {{image, ""}};
  LaunchSpec spec;
  spec.image_template = site->register_template(machine).value();
  spec.instance_type = site->propose_instance_type(2, 1500, network.subnet_id).value();
  EXPECT_EQ(spec.instance_type, "t3.small");
  spec.subnet_id = network.subnet_id;
  spec.security_group_ids = {network.security_group_id};
  spec.private_ip = "10.0.1.78";
  spec.public_address = false;
  spec.instance_profile = "web-role";
  spec.user_data = "#!/bin/sh\n";
  spec.source_dest_check = false;
  spec.volumes = {"gp3", 6000, 250, true, "alias/dr"};
  spec.token = "settings-1";
  EXPECT_NE(site->check_launch(spec).error().message().find("KMS has no key 'alias/dr'"), std::string::npos);
  account_has("keys", {{"id", "k-1"}, {"alias", "alias/dr"}});
  EXPECT_NE(site->check_launch(spec).error().message().find("IAM has no instance profile 'web-role'"),
            std::string::npos);
  account_has("instance-profiles", {{"name", "web-role"}, {"role", "web"}});
  ASSERT_TRUE(site->check_launch(spec).ok()) << site->check_launch(spec).error().message();
  const InstanceId id = site->launch(spec).value();
  EXPECT_EQ(site->launch(spec).value(), id) << "a retry makes no second one";
  while (site->instance(id)->state == InstanceState::pending) clock.sleep(std::chrono::milliseconds(50));
  EXPECT_EQ(site->instance(id)->public_ip, "") << "it was asked for none";
  const Ec2Instance described = site->ec2().instances({.ids = {id}, .tags = {}})->at(0);
  const Ec2Volume volume = site->ec2().volumes({.ids = described.volumes, .tags = {}})->at(0);
  EXPECT_TRUE(volume.encrypted);
  const auto inventory = nlohmann::json::parse(region->inventory_json());
  EXPECT_EQ(inventory.at("volumes").at(0).at("iops"), 6000);
  EXPECT_EQ(inventory.at("volumes").at(0).at("kms_key_id"), "alias/dr");
  EXPECT_EQ(inventory.at("instances").at(0).at("user_data"), "IyEvYmluL3NoCg==");
  ASSERT_TRUE(site->adjust(id, spec).ok());
  ASSERT_TRUE(site->adjust(id, spec).ok()) << "and again";
  EXPECT_EQ(nlohmann::json::parse(region->inventory_json()).at("instances").at(0).at("source_dest_check"),
            false);
  ASSERT_TRUE(site->stop(id).ok());
  ASSERT_TRUE(site->terminate(id).ok());
}

TEST_F(AwsSiteContract, QuotasCountWhatRunsAndWhatIsWanted) {
  LaunchSpec small;
  small.instance_type = "t3.small";
  EXPECT_TRUE(site->check_quotas({small, small}).ok()) << "the default leaves room";
  account_has("quotas", {{"vcpus", 4}});
  EXPECT_TRUE(site->check_quotas({small, small}).ok());
  const auto refused = site->check_quotas({small, small, small});
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_NE(refused.error().message().find("may run 4 vCPUs"), std::string::npos)
      << refused.error().message();

  const ImageId image = make_image("t1", std::nullopt, {{0, 1}});
  TemplateSpec machine;
  machine.name = "rekindle-quota";
  machine.disks = {{image, ""}};
  EXPECT_TRUE(site->check_template(machine).ok());
  EXPECT_TRUE(nlohmann::json::parse(region->inventory_json()).at("images").empty()) << "nothing is made";
  LaunchSpec spec = small;
  spec.image_template = site->register_template(machine).value();
  spec.subnet_id = network.subnet_id;
  spec.token = "quota-1";
  ASSERT_TRUE(site->launch(spec).ok());
  EXPECT_TRUE(site->check_quotas({small}).ok());
  const auto full = site->check_quotas({small, small});
  EXPECT_NE(full.error().message().find("2 run now, and the plan wants 4 more"), std::string::npos)
      << full.error().message();
  account_has("quotas", {{"vcpus", 2}});
  spec.token = "quota-2";
  EXPECT_EQ(site->launch(spec).error().code(), ErrorCode::exhausted) << "AWS says the same";
}

TEST_F(AwsSiteContract, QuotasOfEbsCountVolumesAndSnapshots) {
  LaunchSpec spec;
  spec.instance_type = "t3.small";
  spec.volumes_bytes = 1024 * gib;
  const auto fits = site->check_quotas({spec});
  ASSERT_TRUE(fits.ok()) << fits.error().message();
  EXPECT_EQ(*fits, Unproven());
  account_has("quotas", {{"code", "L-7A658B76"}, {"value", 1}});
  const auto nearly = site->check_quotas({spec});
  ASSERT_TRUE(nearly.ok()) << nearly.error().message();
  ASSERT_EQ(nearly->size(), 1U);
  EXPECT_NE(nearly->at(0).find("1 of 1 TiB of gp3 volumes would be used"), std::string::npos)
      << nearly->at(0);
  const auto full = site->check_quotas({spec, spec});
  EXPECT_EQ(full.error().code(), ErrorCode::exhausted);
  EXPECT_NE(full.error().message().find("may have 1 TiB of gp3 volumes"), std::string::npos)
      << full.error().message();
  spec.volumes.type = "io2";
  EXPECT_TRUE(site->check_quotas({spec, spec}).ok()) << "each type has a quota of its own";

  make_image("t1", std::nullopt, {{0, 1}});
  account_has("quotas", {{"code", "L-309BACF6"}, {"value", 1}});
  const auto snapshots = site->check_quotas({spec});
  ASSERT_TRUE(snapshots.ok()) << snapshots.error().message();
  ASSERT_EQ(snapshots->size(), 1U);
  EXPECT_NE(snapshots->at(0).find("may have 1 snapshots and has 1"), std::string::npos) << snapshots->at(0);
}

TEST_F(AwsSiteContract, TellsWhetherTheAccountEncryptsByDefault) {
  EXPECT_FALSE(site->encrypts_by_default().value());
  account_has("knobs", {{"encryption_by_default", true}});
  EXPECT_TRUE(site->encrypts_by_default().value());
}

TEST_F(AwsSiteContract, ARoleThatMayNotAskIsNotRefusedForIt) {
  account_has("roles", {{"name", "least"}, {"actions", {"ec2:DescribeSubnets"}}});
  const Credentials own("AKIDEXAMPLE", "secret");
  const CredentialContext context{transport, clock, random, "us-east-1", region->endpoint()};
  AwsSiteOptions options;
  options.region = "us-east-1";
  options.endpoint = region->endpoint();
  options.credentials = assumed_role_credentials(context, own, {"arn:aws:iam::123456789012:role/least", ""});
  const auto least = AwsSite::make(options, transport, clock, random).value();
  LaunchSpec spec;
  spec.instance_type = "t3.small";
  spec.subnet_id = network.subnet_id;
  spec.instance_profile = "nobody-knows";
  spec.volumes.kms_key = "alias/none";
  EXPECT_TRUE(least->check_quotas({spec}).ok());
  EXPECT_TRUE(least->check_launch(spec).ok());
}

TEST_F(AwsSiteContract, TypesAndRangesAreThoseOfTheRegion) {
  EXPECT_EQ(site->propose_instance_type(4, 8192, network.subnet_id).value(), "c6i.xlarge");
  EXPECT_EQ(site->propose_instance_type(64, 1, network.subnet_id).error().code(), ErrorCode::exhausted);
  EXPECT_EQ(site->subnet(network.subnet_id)->range, "10.0.1.0/24");
  EXPECT_FALSE(site->subnet("subnet-00000000000000000").ok());
}

TEST_F(AwsSiteContract, FindsAndRemovesWhatItMadeAndNotWhatAnotherInstallationMade) {
  const auto others = std::move(site);
  site = make_site("secret", "ours");
  ImageSpec spec;
  spec.size_bytes = 1 * gib;
  spec.token = "theirs";
  spec.tags = {{token_tag, "theirs"}};
  ASSERT_TRUE(others->start_image(spec).ok());
  const ImageId image = make_image("t1", std::nullopt, {{0, 1}});
  TemplateSpec machine;
  machine.name = "rekindle-owned";
  machine.disks = {{image, ""}};
  machine.tags = {{token_tag, machine.name}};
  LaunchSpec launch;
  launch.image_template = site->register_template(machine).value();
  launch.instance_type = "t3.small";
  launch.subnet_id = network.subnet_id;
  launch.token = "owned-1";
  launch.tags = {{token_tag, "owned-1"}};
  const InstanceId instance = site->launch(launch).value();
  auto objects = site->owned_objects().value();
  std::multiset<ResourceKind> kinds;
  for (const OwnedObject& object : objects) kinds.insert(object.kind);
  EXPECT_EQ(kinds, (std::multiset<ResourceKind>{ResourceKind::image, ResourceKind::machine_template,
                                                ResourceKind::instance, ResourceKind::volume}));
  EXPECT_TRUE(others->owned_objects()->empty()) << "without a mark nothing is anybody's";
  ASSERT_TRUE(site->terminate(instance).ok());
  while (site->instance(instance)->state != InstanceState::terminated)
    clock.sleep(std::chrono::milliseconds(50));
  for (const ResourceKind kind : {ResourceKind::machine_template, ResourceKind::image}) {
    for (const OwnedObject& object : objects) {
      if (object.kind != kind) continue;
      EXPECT_TRUE(site->remove_object(object).ok()) << object.id;
    }
  }
  EXPECT_TRUE(site->owned_objects()->empty()) << "a terminated instance is none, though it is still listed";
  EXPECT_EQ(others->find_images({{token_tag, "theirs"}})->size(), 1U);
}

TEST_F(AwsSiteContract, AnImageIsWrittenThroughAVolumeOnTopOfAnother) {
  if (!std::filesystem::exists("/dev/fuse")) GTEST_SKIP() << "no /dev/fuse: volumes cannot be attached here";
  const auto proxy = region->register_proxy("proxy").value();
  site = make_site("secret", "ours", {proxy.instance_id, (proxy.attached / "{device}").string()});
  const ImageId parent = make_image("t1", std::nullopt, {{0, 1}, {5, 2}});
  VolumeSpec spec{1 * gib, parent, "volume-1", {{token_tag, "volume-1"}}};
  const VolumeId volume = site->create_volume(spec).value();
  EXPECT_EQ(site->create_volume(spec).value(), volume);
  EXPECT_FALSE(site->zeros_must_be_put(volume).value());
  for (int turn = 0; turn < 2; ++turn) {  // attached already: that is fine
    const auto writer = site->open_volume_writer(volume);
    ASSERT_TRUE(writer.ok()) << writer.error().message();
    ASSERT_TRUE((*writer)->put_block(5, pattern(3)).ok());
    ASSERT_TRUE((*writer)->put_block(9, pattern(4)).ok());
    EXPECT_EQ((*writer)->put_block(2048, pattern(4)).error().code(), ErrorCode::invalid_argument);
    ASSERT_TRUE((*writer)->complete().ok());
  }
  const ImageSpec image{1 * gib, parent, "", "t2", {{token_tag, "t2"}}};
  const ImageId child = site->freeze_volume(volume, image).value();
  EXPECT_EQ(site->freeze_volume(volume, image).value(), child) << "a retry makes no second one";
  while (site->image(child)->state == ImageState::pending) clock.sleep(std::chrono::milliseconds(50));
  EXPECT_EQ(block(child, 0), pattern(1));
  EXPECT_EQ(block(child, 5), pattern(3));
  EXPECT_EQ(block(child, 9), pattern(4));
  EXPECT_EQ(site->image(child)->parent, parent);
  EXPECT_EQ(site->ebs().changed_blocks(child, parent).value(), (std::vector<std::uint64_t>{5, 9}));
  const OwnedObject owned{ResourceKind::volume, volume.str(), "volume-1", {}};
  ASSERT_TRUE(site->remove_object(owned).ok());
  ASSERT_TRUE(site->remove_object(owned).ok()) << "absent is fine";
  EXPECT_TRUE(std::filesystem::is_empty(proxy.attached));
}

// What an image that is not encrypted leaves out is noise on an encrypted volume of it.
TEST_F(AwsSiteContract, SaysWhichVolumesMustBeGivenTheirZeros) {
  const auto proxy = region->register_proxy("proxy").value();
  site = make_site("secret", "ours", {proxy.instance_id, (proxy.attached / "{device}").string()});
  const auto holds_noise = [&](const std::string& token, std::optional<ImageId> from,
                               bool encrypted = false) {
    VolumeSpec spec{1 * gib, std::move(from), token, {{token_tag, token}}};
    spec.encryption.encrypted = encrypted;
    return site->zeros_must_be_put(site->create_volume(spec).value()).value();
  };
  const ImageId plain = make_image("t1", std::nullopt, {{0, 1}});
  EXPECT_FALSE(holds_noise("nothing", std::nullopt));
  EXPECT_FALSE(holds_noise("of-plain", plain));
  EXPECT_TRUE(holds_noise("nothing-encrypted", std::nullopt, true));
  account_has("knobs", {{"encryption_by_default", true}});
  const ImageId encrypted = make_image("t2", std::nullopt, {{0, 1}});
  EXPECT_TRUE(holds_noise("nothing-by-default", std::nullopt));
  EXPECT_TRUE(holds_noise("of-plain-by-default", plain));
  EXPECT_FALSE(holds_noise("of-encrypted", encrypted));
}

// So each zero that is put must be there, and what a volume of nothing shows elsewhere is not to be relied
// on.
TEST_F(AwsSiteContract, AnEncryptedVolumeShowsNoiseButForWhatWasPut) {
  if (!std::filesystem::exists("/dev/fuse")) GTEST_SKIP() << "no /dev/fuse: volumes cannot be attached here";
  const auto proxy = region->register_proxy("proxy").value();
  site = make_site("secret", "ours", {proxy.instance_id, (proxy.attached / "{device}").string()});
  const VolumeId volume =
      site->create_volume({1 * gib, {}, "volume-1", {{token_tag, "volume-1"}}, {true, ""}}).value();
  EXPECT_TRUE(site->zeros_must_be_put(volume).value());
  {
    const auto writer = site->open_volume_writer(volume);
    ASSERT_TRUE(writer.ok()) << writer.error().message();
    ASSERT_TRUE((*writer)->put_block(5, Bytes(image_block_bytes)).ok());
    ASSERT_TRUE((*writer)->complete().ok());
    const std::filesystem::directory_iterator attached(proxy.attached);
    const File file = File::open(attached->path(), File::Mode::read).value();
    Bytes put(image_block_bytes), absent(image_block_bytes);
    ASSERT_TRUE(file.read_at(5 * image_block_bytes, put).ok());
    ASSERT_TRUE(file.read_at(6 * image_block_bytes, absent).ok());
    EXPECT_TRUE(all_zero(put));
    EXPECT_FALSE(all_zero(absent));
  }
  ASSERT_TRUE(site->remove_object({ResourceKind::volume, volume.str(), "volume-1", {}}).ok());
}

TEST_F(AwsSiteContract, WithoutAProxyAVolumeIsRefusedWithTheWayOut) {
  const auto refused = site->create_volume({1 * gib, {}, "t", {}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(refused.error().message().find("--proxy-instance-id"), std::string::npos);
}

}  // namespace
}  // namespace rekindle
