#include "recover/running_tests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protect/due_work.h"
#include "recover/failover_fixture.h"

namespace rekindle {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class RunningTests : public FailoverTest {
 protected:
  void put_test(FailoverState state = FailoverState::running) {
    Failover test;
    test.id = "failover-1";
    test.plan = "plan";
    test.machine = "web";
    test.kind = FailoverKind::test;
    test.state = state;
    test.instance_id = InstanceId("instance-7");
    test.started = started;
    test.expires = expires;
    ASSERT_TRUE(catalog->put(test).ok());
  }
  std::string said() {
    std::string all;
    const auto findings = look_at_tests(*catalog, "plan", clock.now()).value();
    for (const Finding& finding : findings)
      all += fmt::format("{}: {}: {}\n", to_string(finding.light), finding.machine, finding.sentence);
    return all;
  }

  const Time started = clock.now();
  Time expires{};
};

TEST_F(RunningTests, OneThatExpiresSaysWhenAndIsYellowWhenItShouldHaveEnded) {
  EXPECT_EQ(said(), "");
  expires = started + hours(30);
  put_test();
  clock.advance(hours(29));
  EXPECT_EQ(said(), fmt::format("green: web: runs as instance-7 since {}; expires at {}\n",
                                to_iso8601(started), to_iso8601(expires)));
  clock.advance(hours(1));
  EXPECT_THAT(said(), HasSubstr("yellow: web: runs as instance-7"));
  EXPECT_THAT(said(), HasSubstr("expired at " + to_iso8601(expires) + ": is 'rekindle serve' running?"));
}

TEST_F(RunningTests, OneThatNeverExpiresIsYellowAfterADay) {
  put_test();
  clock.advance(hours(24));
  EXPECT_THAT(said(), HasSubstr("green: web: runs as instance-7"));
  EXPECT_THAT(said(), HasSubstr("; never expires"));
  clock.advance(milliseconds(1));
  EXPECT_THAT(said(), HasSubstr("yellow: web: runs as instance-7"));
  EXPECT_THAT(said(), HasSubstr("end it with 'rekindle failover clean-up plan'"));
}

TEST_F(RunningTests, OneThatWasEndedIsNotSpokenOf) {
  put_test(FailoverState::released);
  clock.advance(hours(48));
  EXPECT_EQ(said(), "");
}

TEST_F(RunningTests, AFailoverRemembersWhenItExpires) {
  copy_of(guest_to_convert());
  FailoverRequest request{"plan", "web", FailoverKind::test};
  request.expires = started + hours(8);
  const auto power_off = [](const std::string&) -> Result<PowerState> { return PowerState::off; };
  ASSERT_EQ(run(failover_procedure({site, http, power_off}), parameters_of(request)).state,
            JobState::succeeded);
  ASSERT_EQ(failovers().size(), 1U);
  EXPECT_EQ(failovers()[0].expires, request.expires);
  EXPECT_FALSE(has_expired(failovers()[0], request.expires - milliseconds(1)));
  EXPECT_TRUE(has_expired(failovers()[0], request.expires));
}

TEST_F(RunningTests, OneThatCannotBeTerminatedIsYellowAndDueUntilItIsGone) {
  copy_of(guest_to_convert());
  FailoverRequest request{"plan", "web", FailoverKind::test};
  request.expires = started + hours(8);
  const auto power_off = [](const std::string&) -> Result<PowerState> { return PowerState::off; };
  ASSERT_EQ(run(failover_procedure({site, http, power_off}), parameters_of(request)).state,
            JobState::succeeded);
  const Failover test = failovers().at(0);
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "terminate" ? Result<>(error(ErrorCode::permission_denied, "not allowed")) : Result<>();
  });
  ASSERT_EQ(clean_up(test).state, JobState::failed);
  ASSERT_EQ(failovers().at(0).state, FailoverState::released);
  EXPECT_THAT(said(), HasSubstr(fmt::format("yellow: web: was ended, and its instance {} is not terminated "
                                            "yet: 'rekindle failover clean-up plan' tries it again",
                                            test.instance_id)));
  EXPECT_THAT(said(), HasSubstr("'rekindle serve' from " + to_iso8601(request.expires) + " on"));
  clock.advance(hours(9));
  const DueWork removal{JobKind::failover_cleanup, test.id, "web"};
  EXPECT_THAT(due_work(*catalog, clock.now()).value(), Contains(removal));
  site.set_fault({});
  ASSERT_EQ(clean_up(test).state, JobState::succeeded);
  expect_only(0);
  EXPECT_EQ(said(), "");
  EXPECT_THAT(due_work(*catalog, clock.now() + hours(1)).value(), Not(Contains(removal)));
}

TEST_F(RunningTests, OneThatDoesNotExpireHasTheParametersOfEarlierVersions) {
  EXPECT_FALSE(parameters_of(FailoverRequest{"plan", "web", FailoverKind::test}).contains("expires"));
}

TEST_F(RunningTests, AnUnfinishedTestExpiresToo) {
  FailoverRequest request{"plan", "web", FailoverKind::test};
  Job job;
  job.kind = JobKind::failover;
  job.parameters = parameters_of(request);
  EXPECT_FALSE(is_expired_test(job, started)) << "it never does";
  request.expires = started;
  job.parameters = parameters_of(request);
  EXPECT_FALSE(is_expired_test(job, started - milliseconds(1)));
  EXPECT_TRUE(is_expired_test(job, started));
  job.state = JobState::cancelled;
  EXPECT_FALSE(is_expired_test(job, started)) << "it is over";
  job.state = JobState::running;
  request.kind = FailoverKind::production;
  job.parameters = parameters_of(request);
  EXPECT_FALSE(is_expired_test(job, started)) << "production is no test";
}

}  // namespace
}  // namespace rekindle
