// Failover with all that a plan can say of a machine, and from copies that are ready.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "model/json.h"
#include "recover/failover_fixture.h"
#include "recover/launch_settings.h"

namespace rekindle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class FailoverSettingsTest : public FailoverTest {
 protected:
  FailoverSettingsTest() { copy_of(guest_to_convert()); }

  void plan_says(const std::function<void(DrPlan&)>& change) {
    auto plan = catalog->get<DrPlan>("plan").value();
    change(plan);
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  void copy_says(const std::function<void(DrCopy&)>& change) {
    change(copy);
    ASSERT_TRUE(catalog->put(copy).ok());
  }
  LaunchSpec launched_with(FailoverKind kind = FailoverKind::production) {
    const Job job = fail_over(kind);
    EXPECT_EQ(job.state, JobState::succeeded) << job.error;
    return instances().empty() ? LaunchSpec() : site.launch_spec_of(instances().at(0).id);
  }
  std::string refusal() {
    const Job job = fail_over();
    EXPECT_EQ(job.state, JobState::failed);
    EXPECT_EQ(site.live_instance_count(), 0U);
    return job.error;
  }
};

TEST_F(FailoverSettingsTest, ACopyThatWasConvertedAheadIsLaunchedAsItIs) {
  copy_says([](DrCopy& it) { it.converted = true; });
  const Job job = fail_over();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(job.data.at("blocks_converted"), 0);
  EXPECT_EQ(text(job.data, "boot_image_id"), copy.disks.at(0).image_id.str());
  EXPECT_TRUE(site.instance_disk(instances().at(0).id) == guest_to_convert());
  EXPECT_EQ(site.image_count(), 1U);
}

TEST_F(FailoverSettingsTest, WithAnAmiNothingIsRegisteredAndItStays) {
  TemplateSpec spec;
  spec.name = "kept";
  spec.disks = {{copy.disks.at(0).image_id, ""}};
  const TemplateId kept = site.register_template(spec).value();
  copy_says([&](DrCopy& it) {
    it.converted = true;
    it.template_id = kept;
  });
  EXPECT_EQ(launched_with().image_template, kept);
  EXPECT_EQ(site.template_count(), 1U);
}

TEST_F(FailoverSettingsTest, ACopyThatLeavesOutZerosIsNotStartedEncrypted) {
  plan_says([](DrPlan& plan) { plan.production.volumes.kms_key = "alias/dr"; });
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("web is to start on encrypted volumes"),
                    HasSubstr("'rekindle replicate run plan'"), HasSubstr("'rekindle plan apply'")));
  expect_only(0);
  // The other kind of failover has settings of its own.
  plan_says([](DrPlan& plan) {
    plan.production.volumes.kms_key.clear();
    plan.machines[0].test.volumes.encrypted = true;
  });
  EXPECT_EQ(fail_over(FailoverKind::test).state, JobState::failed);
  EXPECT_EQ(fail_over().state, JobState::succeeded);
}

TEST_F(FailoverSettingsTest, NorIsItWhereTheAccountEncryptsByDefaultSince) {
  copy_says([](DrCopy& it) { it.converted = true; });
  site.set_encrypts_by_default(true);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("the account encrypts every volume by default"),
                               HasSubstr("'rekindle replicate run plan'")));
  expect_only(0);
  // Who may not ask is not kept from it.
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "encrypts_by_default" ? Result<>(error(ErrorCode::permission_denied, "no")) : Result<>();
  });
  EXPECT_EQ(fail_over().state, JobState::succeeded);
}

TEST_F(FailoverSettingsTest, EverythingThatThePlanSaysReachesTheLaunch) {
  copy_says([](DrCopy& it) { it.encrypted = true; });
  plan_says([](DrPlan& plan) {
    plan.production.security_group_ids = {"sg-1", "sg-2"};
    plan.production.public_ip = "no";
    plan.production.instance_profile = "web-role";
    plan.production.user_data = "#!/bin/sh\n";
    plan.production.volumes = {"gp3", 6000, 250, true, "alias/dr"};
    plan.production.tags = {{"tier", "web"}, {"Name", "not mine"}};
    plan.machines[0].production.instance_type = "large";
    plan.machines[0].production.source_dest_check = false;
    plan.machines[0].production.tags = {{"tier", "front"}};
  });
  const LaunchSpec spec = launched_with();
  EXPECT_EQ(spec.instance_type, "large");
  EXPECT_THAT(spec.security_group_ids, ElementsAre("sg-1", "sg-2"));
  EXPECT_EQ(spec.private_ip, "10.0.0.5");
  EXPECT_EQ(spec.public_address, false);
  EXPECT_EQ(spec.instance_profile, "web-role");
  EXPECT_EQ(spec.user_data, "#!/bin/sh\n");
  EXPECT_EQ(spec.volumes, (VolumeSettings{"gp3", 6000, 250, true, "alias/dr"}));
  EXPECT_EQ(spec.source_dest_check, false);
  EXPECT_EQ(spec.tags.at("tier"), "front");
  EXPECT_EQ(spec.tags.at("Name"), "web") << "what names the machine is ours";
}

TEST_F(FailoverSettingsTest, ATestIsIsolatedWhateverTheMachineSaysOfProduction) {
  plan_says([](DrPlan& plan) {
    plan.test.subnet_id = "subnet-test";
    plan.test.security_group_ids = {"sg-test"};
    plan.test.private_ip = "same-host";
    plan.machines[0].production.subnet_id = "subnet-of-production";
  });
  power = PowerState::on;
  const LaunchSpec spec = launched_with(FailoverKind::test);
  EXPECT_EQ(spec.subnet_id, "subnet-test");
  EXPECT_THAT(spec.security_group_ids, ElementsAre("sg-test"));
  EXPECT_EQ(spec.private_ip, "10.9.0.5") << "the host part of 10.0.0.5 in 10.9.0.0/16";
}

TEST_F(FailoverSettingsTest, TheInstanceTypeIsProposedByVcpusAndMemory) {
  plan_says([](DrPlan& plan) { plan.production.instance_type = "auto"; });
  EXPECT_THAT(refusal(), HasSubstr("does not know its vCPUs and memory"));
  copy_says([](DrCopy& it) {
    it.vcpus = 4;
    it.memory_mib = 8192;
  });
  EXPECT_EQ(launched_with().instance_type, "large");
}

TEST_F(FailoverSettingsTest, AnotherTypeIsTakenWhereThereIsNoCapacity) {
  plan_says([](DrPlan& plan) { plan.production.other_instance_types = {"medium", "large"}; });
  int refused = 0;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method != "launch" || done || refused++ > 1) return {};
    return error(ErrorCode::exhausted, "AWS has no capacity");
  });
  EXPECT_EQ(launched_with().instance_type, "large");
  EXPECT_EQ(site.live_instance_count(), 1U);
}

class NoRoomTest : public FailoverSettingsTest {
 protected:
  NoRoomTest() {
    plan_says([](DrPlan& plan) {
      plan.production.other_instance_types = {"large"};
      plan.production.other_subnets = {"subnet-test"};
    });
  }
  // What is launched in these subnets ends while it starts.
  void no_room_in(std::vector<std::string> subnets) {
    site.set_fault([this, subnets = std::move(subnets)](std::string_view method, bool) -> Result<> {
      if (method != "instance") return {};
      for (const Instance& instance : instances()) {
        const std::string subnet = site.launch_spec_of(instance.id).subnet_id;
        if (std::find(subnets.begin(), subnets.end(), subnet) != subnets.end())
          site.find_no_room(instance.id);
      }
      return {};
    });
  }
};

TEST_F(NoRoomTest, AllTypesAreTriedInOneSubnetAndThenInTheNext) {
  no_room_in({"subnet-1"});
  const LaunchSpec spec = launched_with();
  EXPECT_EQ(spec.subnet_id, "subnet-test");
  EXPECT_EQ(spec.instance_type, "small");
  EXPECT_EQ(spec.private_ip, "") << "10.0.0.5 is not in 10.9.0.0/16";
  EXPECT_TRUE(spec.token.ends_with("-instance-3")) << spec.token;
  expect_only(1);
}

TEST_F(NoRoomTest, WhereNoneHasRoomItSaysSoAndNothingIsLeft) {
  no_room_in({"subnet-1", "subnet-test"});
  EXPECT_THAT(refusal(), HasSubstr("did not start: no capacity; choose another instance type or subnet"));
  expect_only(0);
}

// The process is killed after the next one was launched, before that was saved.
TEST_F(NoRoomTest, AJobThatDiesMeanwhileGoesOnWithTheOneThatRuns) {
  no_room_in({"subnet-1"});
  JobProcedure procedure = failover_procedure(
      {site, http, [](const std::string&) -> Result<PowerState> { return PowerState::off; }});
  const auto wait = procedure.steps.at(4).perform;
  procedure.steps.at(4).perform = [&](StepContext& context) -> Result<> {
    const Job before = context.job;
    TRY(wait(context));
    context.job = before;
    return wait(context);
  };
  const Job job = run(procedure, parameters_of(FailoverRequest{"plan", "web", FailoverKind::production}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_only(1);
  EXPECT_EQ(failovers().at(0).instance_id, instances().at(0).id);
}

TEST_F(NoRoomTest, ASubnetWithoutRoomIsNoReasonNotToBegin) {
  int asked = 0;
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    const bool full = method == "check_launch" && asked++ < 2;
    return full ? Result<>(error(ErrorCode::exhausted, "no free address")) : Result<>();
  });
  launched_with();
  EXPECT_EQ(asked, 3);
}

TEST_F(NoRoomTest, AnotherSubnetThatCannotBeUsedIsLeftOut) {
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "subnet" ? Result<>(error(ErrorCode::invalid_argument, "no such subnet")) : Result<>();
  });
  const auto choice =
      resolve_candidates(site, copy,
                         settings_of(catalog->get<DrPlan>("plan").value(),
                                     catalog->get<DrPlan>("plan")->machines.at(0), FailoverKind::production));
  ASSERT_TRUE(choice.ok()) << choice.error().message();
  EXPECT_THAT(choice->candidates, ElementsAre(LaunchCandidate{"small", "subnet-1", "10.0.0.5"},
                                              LaunchCandidate{"large", "subnet-1", "10.0.0.5"}));
  EXPECT_THAT(choice->remarks, ElementsAre("subnet-test of other_subnets cannot be used: no such subnet"));
}

// Its process is killed after AWS made the instance of the second type, before that was written down.
TEST_F(FailoverSettingsTest, ThereAreNeverTwoInstancesOfTwoTypes) {
  plan_says([](DrPlan& plan) { plan.production.other_instance_types = {"large"}; });
  bool no_capacity = true;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method != "launch") return {};
    if (!done && no_capacity) {
      no_capacity = false;
      return error(ErrorCode::exhausted, "AWS has no capacity");
    }
    return done ? Result<>(error(ErrorCode::unavailable, "the answer was lost")) : Result<>();
  });
  int attempts = 0;
  JobProcedure procedure = failover_procedure(
      {site, http, [](const std::string&) -> Result<PowerState> { return PowerState::off; }});
  const auto launch = procedure.steps.at(3).perform;
  procedure.steps.at(3).perform = [&](StepContext& context) -> Result<> {
    if (++attempts == 2) site.set_fault({});
    return launch(context);
  };
  const Job job = run(procedure, parameters_of(FailoverRequest{"plan", "web", FailoverKind::production}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(site.live_instance_count(), 1U);
  EXPECT_EQ(site.launch_spec_of(instances().at(0).id).instance_type, "large");
}

TEST_F(FailoverSettingsTest, AnElasticAddressIsGivenAndToldToTheHealthCheck) {
  plan_says([](DrPlan& plan) {
    plan.production.public_ip = "eipalloc-1";
    plan.machines[0].production.health_check = "http://{public_ip}/";
  });
  launched_with();
  EXPECT_EQ(http.last_url, "http://198.51.100.7/");
  EXPECT_EQ(failovers().at(0).public_ip, "198.51.100.7");
}

TEST_F(FailoverSettingsTest, OneThatIsLeftStoppedIsNotAsked) {
  plan_says([](DrPlan& plan) { plan.production.leave_stopped = true; });
  http.answer = [](const HttpRequest&) -> Result<HttpResponse> {
    ADD_FAILURE() << "nobody answers";
    return error(ErrorCode::unavailable, "no");
  };
  launched_with();
  EXPECT_EQ(instances().at(0).state, InstanceState::stopped);
}

TEST_F(FailoverSettingsTest, APlanThatIsChangedMeanwhileDoesNotChangeAFailoverUnderWay) {
  JobProcedure procedure = failover_procedure(
      {site, http, [](const std::string&) -> Result<PowerState> { return PowerState::off; }});
  const auto convert = procedure.steps.at(1).perform;
  procedure.steps.at(1).perform = [&](StepContext& context) -> Result<> {
    plan_says([](DrPlan& plan) { plan.production.instance_type = "other"; });
    return convert(context);
  };
  ASSERT_EQ(run(procedure, parameters_of(FailoverRequest{"plan", "web", FailoverKind::production})).state,
            JobState::succeeded);
  EXPECT_EQ(site.launch_spec_of(instances().at(0).id).instance_type, "small");
}

TEST_F(FailoverSettingsTest, WhatIsMissingIsNamed) {
  plan_says([](DrPlan& plan) { plan.production.subnet_id.clear(); });
  EXPECT_THAT(refusal(), HasSubstr("the DR plan plan says no subnet_id for web"));
  plan_says([](DrPlan& plan) {
    plan.production.subnet_id = "subnet-1";
    plan.machines[0].production.private_ip = "same-host";
  });
  EXPECT_THAT(refusal(), HasSubstr("set same_host_as"));
}

TEST(SameHost, KeepsTheHostPartOfTheRange) {
  EXPECT_EQ(same_host_in("10.9.0.0/16", "192.168.7.20").value(), "10.9.7.20");
  EXPECT_EQ(same_host_in("10.9.8.0/24", "192.168.7.20").value(), "10.9.8.20");
  EXPECT_EQ(same_host_in("10.9.8.128/25", "192.168.7.20").value(), "10.9.8.148");
  for (const char* range : {"", "10.9.8.0", "10.9.8.0/0", "10.9.8.0/33", "x/24"})
    EXPECT_FALSE(same_host_in(range, "192.168.7.20").ok()) << range;
  EXPECT_FALSE(same_host_in("10.9.8.0/24", "192.168.7").ok());
}

}  // namespace
}  // namespace rekindle
