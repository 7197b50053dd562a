#include "recover/failover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/conversion.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/failover_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

TEST_F(FailoverTest, TheInstanceBootsFromAConvertedDiskAndNothingElseIsLeft) {
  copy_of(guest_to_convert());
  const Job job = fail_over();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_only(1);
  const Instance instance = instances().at(0);
  MemoryDisk before(guest_to_convert());
  MemoryDisk after(site.instance_disk(instance.id));
  EXPECT_FALSE(inspect_guest(before, {})->ready);
  EXPECT_TRUE(inspect_guest(after, {})->ready) << inspect_guest(after, {})->reason;
  EXPECT_EQ(instance.tags.at("Name"), "web");
  EXPECT_EQ(instance.private_ip, "10.0.0.5");
  EXPECT_EQ(http.last_url, "http://10.0.0.5:8080/");
  EXPECT_EQ(job.data.at("conversion").at("distribution"), "Debian GNU/Linux 12 (bookworm)");
}

TEST_F(FailoverTest, AProductionFailoverMovesTheMachineAndCleanUpGivesItBack) {
  copy_of(guest_to_convert());
  ASSERT_EQ(fail_over().state, JobState::succeeded);
  ASSERT_EQ(failovers().size(), 1U);
  EXPECT_EQ(failovers()[0].state, FailoverState::running);
  EXPECT_EQ(failovers()[0].instance_id, instances().at(0).id);
  EXPECT_EQ(runs_at(), RunsAt::account);
  const Job cleaned = clean_up(failovers()[0]);
  ASSERT_EQ(cleaned.state, JobState::succeeded) << cleaned.error;
  EXPECT_EQ(failovers()[0].state, FailoverState::released);
  EXPECT_EQ(runs_at(), RunsAt::datacenter);
  expect_only(0);
}

TEST_F(FailoverTest, ATestFailoverLeavesProductionWhereItIs) {
  copy_of(guest_to_convert());
  power = PowerState::on;
  ASSERT_EQ(fail_over(FailoverKind::test).state, JobState::succeeded);
  EXPECT_EQ(runs_at(), RunsAt::datacenter);
  ASSERT_EQ(clean_up(failovers().at(0)).state, JobState::succeeded);
  EXPECT_EQ(runs_at(), RunsAt::datacenter);
  expect_only(0);
}

TEST_F(FailoverTest, ProductionIsRefusedWhileTheDatacenterRunsTheMachine) {
  copy_of(guest_to_convert());
  power = PowerState::on;
  const Job refused = fail_over();
  EXPECT_EQ(refused.state, JobState::failed);
  EXPECT_THAT(refused.error, HasSubstr("web still runs in its datacenter; power it off there"));
  expect_only(0);
  power = PowerState::off;
  EXPECT_EQ(fail_over().state, JobState::succeeded);
}

TEST_F(FailoverTest, ASecondOneIsRefusedAndTheFirstGoesOn) {
  copy_of(guest_to_convert());
  ASSERT_EQ(fail_over().state, JobState::succeeded);
  const Job second = fail_over();
  EXPECT_EQ(second.state, JobState::failed);
  EXPECT_THAT(second.error, HasSubstr("web runs already as " + instances().at(0).id.str()));
  EXPECT_THAT(second.error, HasSubstr("rekindle failover clean-up plan"));
  expect_only(1);
}

TEST_F(FailoverTest, WithoutADrCopyItSaysHowToMakeOne) {
  EXPECT_THAT(fail_over().error,
              HasSubstr("web has no DR copy yet; make one with 'rekindle replicate run plan'"));
}

TEST_F(FailoverTest, RefusedSettingsAreFoundBeforeAnythingIsMade) {
  copy_of(guest_to_convert());
  auto plan = catalog->get<DrPlan>("plan").value();
  plan.machines[0].production.instance_type = "none";
  ASSERT_TRUE(catalog->put(plan).ok());
  EXPECT_THAT(fail_over().error, HasSubstr("instance type 'none' does not exist"));
  expect_only(0);
}

TEST_F(FailoverTest, AServiceThatDoesNotAnswerIsAFailureThatTellsTheLastWordsOfTheMachine) {
  copy_of(guest_to_convert());
  http.answer = [](const HttpRequest&) { return HttpResponse::text(502, "text/plain", ""); };
  const Time begin = clock.now();
  const Job job = fail_over(FailoverKind::test);
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("its console ends with \"console of instance-"));
  EXPECT_THAT(job.error, HasSubstr("did not answer within 20.0 s (it answered with status 502)"));
  EXPECT_LT(clock.now() - begin, std::chrono::seconds(40)) << "patience is asked for once";
  EXPECT_TRUE(failovers().empty());
  EXPECT_EQ(runs_at(), RunsAt::datacenter);
  expect_only(0);
}

// Clients may write to it already.
TEST_F(FailoverTest, AProductionThatAnswersLateStaysAndIsRecorded) {
  copy_of(guest_to_convert());
  http.answer = [](const HttpRequest&) { return HttpResponse::text(502, "text/plain", ""); };
  const Job job = fail_over();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("web runs as " + instances().at(0).id.str() + " (10.0.0.5) and stays"));
  EXPECT_THAT(job.error, HasSubstr("did not answer within 20.0 s"));
  EXPECT_THAT(job.error, HasSubstr("rekindle failover clean-up plan"));
  ASSERT_EQ(failovers().size(), 1U);
  EXPECT_EQ(failovers()[0].state, FailoverState::running);
  EXPECT_EQ(runs_at(), RunsAt::account);
  expect_only(1);
  EXPECT_THAT(fail_over().error, HasSubstr("web runs already as " + instances().at(0).id.str()));
  ASSERT_EQ(clean_up(failovers().at(0)).state, JobState::succeeded);
  EXPECT_EQ(runs_at(), RunsAt::datacenter);
  expect_only(0);
}

TEST_F(FailoverTest, AnInstanceThatTheSiteDeniesAtFirstIsWaitedFor) {
  copy_of(guest_to_convert());
  const Time begin = clock.now();
  site.set_denied([&](const std::string& id) {
    return id.starts_with("instance-") && clock.now() - begin < std::chrono::seconds(60);
  });
  const Job job = fail_over();
  EXPECT_EQ(job.state, JobState::succeeded) << job.error;
  expect_only(1);
}

TEST_F(FailoverTest, AnInstanceThatDiesIsNotWaitedFor) {
  copy_of(guest_to_convert());
  http.answer = [&](const HttpRequest&) -> Result<HttpResponse> {
    site.end_instance(instances().at(0).id, "the guest powered off");
    return error(ErrorCode::unavailable, "connection refused");
  };
  const Job job = fail_over();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("stopped: the guest powered off"));
  expect_only(0);
}

TEST_F(FailoverTest, AGuestThatCannotBeConvertedIsRefusedWithTheReason) {
  copy_of(Bytes(4 * mib));
  const Job job = fail_over();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("converting web: "));
  EXPECT_THAT(job.error, HasSubstr("partition"));
  EXPECT_EQ(site.image_count(), 1U);
  EXPECT_EQ(site.live_instance_count(), 0U);
}

TEST_F(FailoverTest, WhatCannotBeTidiedIsNoFailureAndGoesWithTheNextSweep) {
  copy_of(guest_to_convert());
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "remove_template" ? Result<>(error(ErrorCode::permission_denied, "not allowed"))
                                       : Result<>();
  });
  const Job job = fail_over();
  EXPECT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_THAT(job.data.at("left_behind").get<std::string>(), HasSubstr("not allowed"));
  site.set_fault({});
  ASSERT_TRUE(sweep_finished_jobs(*catalog, site, clock, "account").ok());
  expect_only(1);
}

TEST_F(FailoverTest, AJobThatDiedAfterTheLaunchGoesOnWithItsInstance) {
  copy_of(guest_to_convert());
  JobProcedure procedure = failover_procedure(
      {site, http, [](const std::string&) -> Result<PowerState> { return PowerState::off; }});
  // A process that is killed neither saves nor cleans up: the job stays at the step, the instance is there.
  const auto launch = procedure.steps.at(3).perform;
  Job before;
  procedure.steps.at(3).perform = [&](StepContext& context) -> Result<> {
    before = context.job;
    TRY(launch(context));
    context.job = before;
    return launch(context);  // what the next process does
  };
  const Job job = run(procedure, parameters_of(FailoverRequest{"plan", "web", FailoverKind::production}));
  EXPECT_EQ(job.state, JobState::succeeded) << job.error;
  expect_only(1);
}

// Every call that a failover makes fails once, before and after it took effect: it ends well or says why,
// there are never two instances, and nothing is left.
TEST_F(FailoverTest, AnyCallMayFailOrLoseItsAnswer) {
  copy_of(guest_to_convert());
  for (const ErrorCode code : {ErrorCode::unavailable, ErrorCode::internal}) {
    for (int fail_at = 0;; ++fail_at) {
      SCOPED_TRACE(fmt::format("{} at call {}", to_string(code), fail_at));
      int call = 0;
      site.set_fault([&](std::string_view method, bool) -> Result<> {
        return call++ == fail_at ? Result<>(error(code, "injected into {}", method)) : Result<>();
      });
      const Job job = fail_over();
      site.set_fault({});
      // Also where only its service could not be asked.
      const bool runs = !failovers().empty() && failovers().back().state == FailoverState::running;
      EXPECT_TRUE(job.state == JobState::succeeded || job.error.find("injected") != std::string::npos)
          << job.error;
      clock.advance(std::chrono::minutes(11));  // what was asked for and is not there yet never comes
      ASSERT_TRUE(sweep_finished_jobs(*catalog, site, clock, "account").ok());
      EXPECT_TRUE(runs || job.state != JobState::succeeded);
      expect_only(runs ? 1 : 0);
      EXPECT_EQ(runs_at(), runs ? RunsAt::account : RunsAt::datacenter);
      if (runs) {
        ASSERT_EQ(clean_up(failovers().back()).state, JobState::succeeded);
      }
      expect_only(0);
      if (call <= fail_at) break;
    }
  }
}

TEST_F(FailoverTest, CleanUpThatCannotReachTheSiteIsFinishedByTheNextSweep) {
  copy_of(guest_to_convert());
  ASSERT_EQ(fail_over().state, JobState::succeeded);
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "terminate" ? Result<>(error(ErrorCode::permission_denied, "not allowed")) : Result<>();
  });
  const Job job = clean_up(failovers().at(0));
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("not allowed"));
  site.set_fault({});
  EXPECT_EQ(sweep_finished_jobs(*catalog, site, clock, "account").value(), 1);
  expect_only(0);
}

}  // namespace
}  // namespace rekindle
