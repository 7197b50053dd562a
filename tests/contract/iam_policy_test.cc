// The policy that the program prints, on all roads of the product's AWS site: the local region judges its
// resources and conditions as AWS documents it.
#include "aws/iam_policy.h"

#include <gmock/gmock.h>

#include <functional>

#include "aws/credential_sources.h"
#include "contract/aws_site_contract.h"
#include "crypto/hash.h"
#include "sandbox/region/access_requests.h"

namespace rekindle {
namespace {

constexpr const char* key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234";
constexpr const char* web_role = "arn:aws:iam::123456789012:role/web";

// What the trial of calls tries.
constexpr const char* tried_actions[] = {
    "ec2:DeleteSnapshot",         "ec2:DeregisterImage", "ec2:CreateTags",      "ec2:TerminateInstances",
    "ec2:StopInstances",          "ec2:StartInstances",  "ec2:CreateSnapshots", "ec2:ModifyInstanceAttribute",
    "ec2:DescribeInstanceStatus", "ec2:CreateVolume",    "ec2:CreateSnapshot",  "ec2:AttachVolume",
    "ec2:DetachVolume",           "ec2:DeleteVolume"};

nlohmann::json printed_policy() {
  return iam_policy({"us-east-1", {key_arn}, {web_role}, {}});
}

nlohmann::json policy_without(const std::string& action) {
  nlohmann::json policy = printed_policy();
  nlohmann::json statements = nlohmann::json::array();
  for (nlohmann::json statement : policy["Statement"]) {
    nlohmann::json kept = nlohmann::json::array();
    for (const nlohmann::json& one : statement["Action"]) {
      if (one != action) kept.push_back(one);
    }
    if (kept.empty()) continue;  // a statement without an action is refused
    statement["Action"] = std::move(kept);
    statements.push_back(std::move(statement));
  }
  policy["Statement"] = std::move(statements);
  return policy;
}

class PrintedPolicy : public AwsSiteContract {
 protected:
  void SetUp() override {
    AwsSiteContract::SetUp();
    owner = std::move(site);
    proxy = region->register_proxy("proxy").value();
    account_has("keys", {{"id", "1234"}, {"alias", "alias/dr"}});
    account_has("instance-profiles", {{"name", "web-profile"}, {"role", "web"}});
    account_has("instance-profiles", {{"name", "admin-profile"}, {"role", "admin"}});
    account_has("roles", {{"name", "least"}, {"policy", printed_policy()}});
    site = site_of_the_role();
  }

  std::unique_ptr<AwsSite> site_of_the_role(const std::string& role = "least") {
    const CredentialContext context{transport, clock, random, "us-east-1", region->endpoint()};
    AwsSiteOptions options;
    options.installation = "ours";
    options.region = "us-east-1";
    options.endpoint = region->endpoint();
    options.proxy = {proxy.instance_id, (proxy.attached / "{device}").string()};
    options.credentials = assumed_role_credentials(context, {"AKIDEXAMPLE", "secret"},
                                                   {"arn:aws:iam::123456789012:role/" + role, ""});
    return AwsSite::make(options, transport, clock, random).value();
  }

  static TemplateSpec template_of(const ImageId& image, const Tags& tags) {
    TemplateSpec machine;
    machine.name = "rekindle-web";
    machine.disks = {{image, ""}};
    machine.tags = tags;
    return machine;
  }
  LaunchSpec launch_spec() const {
    LaunchSpec spec;
    spec.instance_type = "t3.small";
    spec.subnet_id = network.subnet_id;
    spec.security_group_ids = {network.security_group_id};
    spec.token = "web-1";
    spec.tags = {{token_tag, "web-1"}, {"Name", "web"}};
    return spec;
  }
  // Asks until it is so, a minute long; an error ends it.
  void wait_until(const std::function<Result<bool>()>& so) {
    for (int i = 0; i < 600; ++i, clock.sleep(std::chrono::milliseconds(100))) {
      const auto answer = so();
      ASSERT_TRUE(answer.ok()) << answer.error().message();
      if (*answer) return;
    }
    ADD_FAILURE() << "it did not become so";
  }
  void wait_for(const InstanceId& id, InstanceState state) {
    wait_until([&]() -> Result<bool> {
      const Instance instance = TRY(site->instance(id));
      return instance.state == state;
    });
  }

  template <typename T>
  static void expect_refused(const Result<T>& result, const char* action) {
    ASSERT_FALSE(result.ok()) << action;
    EXPECT_EQ(result.error().code(), ErrorCode::permission_denied) << result.error().message();
    EXPECT_NE(result.error().message().find(action), std::string::npos) << result.error().message();
  }
  template <typename T>
  static void expect_ok(const Result<T>& result) {
    EXPECT_TRUE(result.ok()) << result.error().message();
  }

  std::unique_ptr<AwsSite> owner;  // of the account: may do all
  sandbox::Region::Proxy proxy;
};

TEST_F(PrintedPolicy, IsEnoughForImagesWrittenByBlocks) {
  const ImageId parent = make_image("t1", std::nullopt, {{0, 1}, {5, 2}});
  const ImageId child = make_image("t2", parent, {{5, 3}});
  EXPECT_EQ(block(child, 0), pattern(1));
  EXPECT_EQ(site->ebs().changed_blocks(child, parent).value(), (std::vector<std::uint64_t>{5}));
  EXPECT_EQ(site->find_images({{token_tag, "t1"}})->size(), 1U);
  EXPECT_EQ(site->owned_objects()->size(), 2U);
  expect_ok(site->remove_image(child));
  expect_ok(site->remove_image(child));  // which is gone, and so has no tag that the policy asks for
  expect_ok(owner->remove_image(parent));
  site = site_of_the_role();  // which does not take it for something that it made a moment ago
  expect_ok(site->remove_image(parent));
}

// It shows no tag, then, and what the policy asks to be tagged is refused for some seconds.
TEST_F(PrintedPolicy, IsEnoughForWhatCannotBeSeenYet) {
  region->faults().set_not_found_window(std::chrono::milliseconds(4000));
  const Bytes content = pattern(7);
  const auto image = site->start_image({1 * gib, {}, "", "t1", {{token_tag, "t1"}}});
  ASSERT_TRUE(image.ok()) << image.error().message();
  expect_refused(site->ebs().put_block(*image, 0, content, sha256(content), std::chrono::milliseconds(0), {}),
                 "PutSnapshotBlock");
  expect_ok(site->ebs().put_block(*image, 0, content, sha256(content), std::chrono::seconds(60), {}));
  expect_ok(site->remove_image(*image));
  const auto other = site->start_image({1 * gib, {}, "", "t2", {{token_tag, "t2"}}});
  ASSERT_TRUE(other.ok()) << other.error().message();
  expect_ok(site->remove_image(*other));  // at once
  region->faults().set_not_found_window({});
  for (const ImageId& id : {*image, *other}) EXPECT_EQ(owner->image(id).error().code(), ErrorCode::not_found);
}

TEST_F(PrintedPolicy, IsEnoughForEncryptedImages) {
  const ImageSpec spec{.size_bytes = 1 * gib,
                       .parent = {},
                       .description = "",
                       .token = "t1",
                       .tags = {{token_tag, "t1"}},
                       .may_exist = false,
                       .encryption = {true, "alias/dr"}};
  expect_ok(site->start_image(spec));
}

TEST_F(PrintedPolicy, IsEnoughForImagesWrittenThroughVolumes) {
  if (!std::filesystem::exists("/dev/fuse")) GTEST_SKIP() << "no /dev/fuse: volumes cannot be attached here";
  const ImageId parent = make_image("t1", std::nullopt, {{0, 1}});
  const auto volume = site->create_volume({1 * gib, parent, "volume-1", {{token_tag, "volume-1"}}});
  ASSERT_TRUE(volume.ok()) << volume.error().message();
  {
    const auto writer = site->open_volume_writer(*volume);
    ASSERT_TRUE(writer.ok()) << writer.error().message();
    expect_ok((*writer)->put_block(5, pattern(3)));
    expect_ok((*writer)->complete());
  }
  const auto child = site->freeze_volume(*volume, {1 * gib, parent, "", "t2", {{token_tag, "t2"}}});
  ASSERT_TRUE(child.ok()) << child.error().message();
  wait_until([&]() -> Result<bool> {
    const Image image = TRY(site->image(*child));
    return image.state != ImageState::pending;
  });
  EXPECT_EQ(block(*child, 5), pattern(3));
  const OwnedObject owned{ResourceKind::volume, volume->str(), "volume-1", {}};
  expect_ok(site->remove_object(owned));
  expect_ok(site->remove_object(owned));
}

TEST_F(PrintedPolicy, IsEnoughForLaunchesAndForTheWayBack) {
  account_has("knobs", {{"instance_stop_grace_ms", 300}});
  const ImageId image = make_image("t1", std::nullopt, {{0, 1}});
  const TemplateSpec machine = template_of(image, {{token_tag, "t2"}});
  expect_ok(site->check_template(machine));
  LaunchSpec spec = launch_spec();
  spec.image_template = site->register_template(machine).value();
  spec.instance_profile = "web-profile";
  spec.volumes.kms_key = "alias/dr";
  spec.source_dest_check = false;
  spec.volumes_bytes = 1 * gib;
  const auto quotas = site->check_quotas({spec});
  ASSERT_TRUE(quotas.ok()) << quotas.error().message();
  EXPECT_EQ(*quotas, Unproven()) << "everything may be asked";
  const auto key = site->check_key("alias/dr");
  ASSERT_TRUE(key.ok()) << key.error().message();
  EXPECT_EQ(*key, Unproven()) << "everything may be tried, but for grants, which AWS has of its own";
  expect_ok(site->encrypts_by_default());
  const auto unproven = site->check_launch(spec);
  ASSERT_TRUE(unproven.ok()) << unproven.error().message();
  EXPECT_EQ(*unproven, Unproven()) << "everything may be asked";
  const auto launched = site->launch(spec);
  ASSERT_TRUE(launched.ok()) << launched.error().message();
  const InstanceId id = *launched;
  expect_ok(site->adjust(id, spec));
  wait_for(id, InstanceState::running);
  expect_ok(site->console_output(id));
  expect_ok(site->passes_site_checks(id));
  const MachineId as_machine(id.str());
  const auto frozen = site->instances().create_snapshot(as_machine, "point-1");
  ASSERT_TRUE(frozen.ok()) << frozen.error().message();
  expect_ok(site->instances().changed_areas(*frozen, frozen->disks.at(0).disk, image.str()));
  expect_ok(site->instances().open_disk(*frozen, frozen->disks.at(0).disk));
  expect_ok(site->instances().remove_snapshot(as_machine, MachineSnapshotId("point-1")));
  expect_ok(site->stop(id));
  wait_for(id, InstanceState::stopped);
  expect_ok(site->start(id));
  expect_ok(site->terminate(id));
  wait_for(id, InstanceState::terminated);
  site = site_of_the_role();
  expect_ok(site->terminate(id));  // which is described still, without its tags
  expect_ok(site->terminate(InstanceId("i-00000000000000000")));
  expect_ok(site->remove_template(spec.image_template));
  expect_ok(site->remove_template(spec.image_template));
}

TEST_F(PrintedPolicy, IsWhatTheTrialOfCallsFinds) {
  DrCopy copy;
  copy.id = "copy-1";
  copy.disks.resize(1);
  copy.disks[0].image_id = make_image("t1", std::nullopt, {{0, 1}});
  const auto machine = site->register_template(template_of(copy.disks[0].image_id, {{token_tag, "t2"}}));
  ASSERT_TRUE(machine.ok()) << machine.error().message();
  LaunchSpec spec = launch_spec();
  spec.image_template = copy.template_id = *machine;
  const auto launched = site->launch(spec);
  ASSERT_TRUE(launched.ok()) << launched.error().message();
  PlannedCalls planned;
  planned.through_volumes = planned.without_source_check = planned.asks_site_checks = true;
  const auto tried = site->try_calls(copy, planned);
  ASSERT_TRUE(tried.ok()) << tried.error().message();
  EXPECT_THAT(tried->allowed, testing::UnorderedElementsAreArray(tried_actions));
  EXPECT_THAT(tried->refused, testing::IsEmpty());
  EXPECT_THAT(tried->untried, testing::IsEmpty());
  for (const std::string action : tried_actions) {
    const std::string role = "lacks-" + action.substr(4);
    account_has("roles", {{"name", role}, {"policy", policy_without(action)}});
    const auto lacking = site_of_the_role(role)->try_calls(copy, planned);
    ASSERT_TRUE(lacking.ok()) << action << ": " << lacking.error().message();
    EXPECT_THAT(lacking->refused, testing::Contains(action));
    if (action == "ec2:CreateTags") continue;  // what is made with tags may not be made then either
    EXPECT_THAT(lacking->refused, testing::SizeIs(1)) << action;
    EXPECT_EQ(lacking->allowed.size(), std::size(tried_actions) - 1) << action;
  }
  const auto instance = site->instance(*launched);
  ASSERT_TRUE(instance.ok()) << instance.error().message();
  EXPECT_LE(instance->state, InstanceState::running) << "nothing was done";
  EXPECT_EQ(site->find_templates({{token_tag, "t2"}})->size(), 1U);
}

// No agent calls from it, and AWS judges who asks before it looks for one.
TEST_F(PrintedPolicy, IsEnoughForScriptsInOurInstancesAndInNoOthers) {
  LaunchSpec spec = launch_spec();
  spec.image_template =
      site->register_template(template_of(make_image("t1", std::nullopt, {{0, 1}}), {{token_tag, "t2"}}))
          .value();
  const auto launched = site->launch(spec);
  ASSERT_TRUE(launched.ok()) << launched.error().message();
  wait_for(*launched, InstanceState::running);
  AwsGuestScripts& scripts = site->guest_scripts();
  expect_ok(scripts.check_access());
  const auto takes = scripts.takes_scripts(*launched);
  ASSERT_TRUE(takes.ok()) << takes.error().message();
  EXPECT_FALSE(*takes);
  const GuestScript script{*launched, "true", {}, std::chrono::seconds(60), "script-1"};
  const auto started = scripts.start_script(script);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code(), ErrorCode::failed_precondition) << started.error().message();
  const auto found = scripts.find_script(*launched, script.token);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found, std::nullopt);
  const std::string none = "00000000-0000-4000-8000-000000000000";
  expect_ok(scripts.script_state(*launched, none));
  expect_ok(scripts.cancel_script(*launched, none));

  GuestScript foreign = script;
  foreign.instance = InstanceId(proxy.instance_id);
  expect_refused(scripts.start_script(foreign), "SendCommand");
}

TEST_F(PrintedPolicy, LetsNobodyReadOrWriteImagesOfOthers) {
  const Bytes content = pattern(7);
  const ImageId foreign = owner->start_image({1 * gib, {}, "", "theirs", {{"Name", "theirs"}}}).value();
  expect_refused(
      site->ebs().put_block(foreign, 0, content, sha256(content), std::chrono::milliseconds(0), {}),
      "PutSnapshotBlock");
  const auto writer = owner->open_writer(foreign).value();
  ASSERT_TRUE(writer->put_block(0, content).ok());
  expect_refused(site->ebs().complete_snapshot(foreign, 0, {}, std::chrono::milliseconds(0)),
                 "CompleteSnapshot");
  ASSERT_TRUE(writer->complete().ok());
  expect_refused(site->open_image(foreign), "ListSnapshotBlocks");
  const ImageId ours = make_image("t1", std::nullopt, {{0, 1}});
  expect_refused(site->ebs().changed_blocks(ours, foreign), "ListChangedBlocks");
  expect_refused(site->remove_image(foreign), "DeleteSnapshot");
  expect_refused(site->start_image({1 * gib, {}, "", "untagged", {}}), "StartSnapshot");
}

TEST_F(PrintedPolicy, LetsNobodyChangeOrRemoveWhatIsNotOurs) {
  CreateVolumeRequest request;
  request.availability_zone = "us-east-1a";
  request.size_gib = 1;
  const VolumeId volume = owner->ec2().create_volume(request).value().id;
  const ImageId image = owner->start_image({1 * gib, {}, "", "theirs", {{"Name", "theirs"}}}).value();
  ASSERT_TRUE(owner->open_writer(image).value()->complete().ok());
  const TemplateId machine = owner->register_template(template_of(image, {{"Name", "theirs"}})).value();
  const InstanceId instance(proxy.instance_id);
  expect_refused(site->ec2().delete_volume(volume), "DeleteVolume");
  expect_refused(site->ec2().attach_volume(volume, instance, "/dev/sdf"), "AttachVolume");
  expect_refused(site->ec2().detach_volume(volume, instance), "DetachVolume");
  expect_refused(site->remove_template(machine), "DeregisterImage");
  expect_refused(site->stop(instance), "StopInstances");
  expect_refused(site->start(instance), "StartInstances");
  expect_refused(site->terminate(instance), "TerminateInstances");
  expect_refused(site->ec2().set_source_dest_check(instance, false), "ModifyInstanceAttribute");
  for (const std::string& id : {volume.str(), machine.str(), instance.str()})
    expect_refused(site->ec2().create_tags({id}, {{token_tag, "mine"}}), "CreateTags");
  expect_refused(site->ec2().create_tags({image.str()}, {{"Name", "mine"}}), "CreateTags");
  expect_refused(site->ec2().create_tags({image.str()}, {{token_tag, "mine"}, {"Name", "mine"}}),
                 "CreateTags");
  // The weakness that docs/accounts.md names: AWS tells StartSnapshot from this by nothing.
  expect_ok(site->ec2().create_tags({image.str()}, {{token_tag, "mine"}}));
}

TEST_F(PrintedPolicy, PassesNoRolesButThoseThatItNames) {
  LaunchSpec spec = launch_spec();
  spec.image_template =
      site->register_template(template_of(make_image("t1", std::nullopt, {{0, 1}}), {{token_tag, "t2"}}))
          .value();
  spec.instance_profile = "admin-profile";
  expect_refused(site->check_launch(spec), "iam:PassRole");
  expect_refused(site->launch(spec), "iam:PassRole");
}

TEST(PrintedPolicyActions, AreAllOfCallsThatTheRegionCanJudge) {
  const TemporaryDirectory folder = TemporaryDirectory::make("iam").value();
  const sandbox::RegionOptions options;
  const auto state = sandbox::State::open(folder.path() / "region.db").value();
  const auto account = sandbox::AccountSettings::open(folder.path()).value();
  for (const IamAction& action : iam_actions()) {
    if (!action.name.starts_with("ec2:")) continue;
    auto asked = sandbox::access_of_ec2({options, *state, *account}, std::string(action.name.substr(4)),
                                        sandbox::Parameters());
    EXPECT_TRUE(asked.ok()) << std::move(asked).error().message;
  }
}

}  // namespace
}  // namespace rekindle
