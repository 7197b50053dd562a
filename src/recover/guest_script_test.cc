#include "recover/guest_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "site/memory_guest_scripts.h"

namespace rekindle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class GuestScriptTest : public testing::Test {
 protected:
  Result<GuestScriptState> run(const GuestRunOptions& options = {}) {
    return run_guest_script(site, script, clock, options);
  }
  // What a call answers, the first `times` times.
  void fail(const std::string& wanted, bool when_done, ErrorCode code, int times) {
    site.set_fault([=, this](std::string_view method, bool done) -> Result<> {
      if (method != wanted || done != when_done || failures >= times) return {};
      ++failures;
      return error(code, "the line is cut");
    });
  }

  SystemClock wall_clock;
  ManualClock clock{wall_clock.now()};
  MemoryGuestScripts site;
  GuestScript script{InstanceId("i-1"), "echo ran", {}, seconds(300), "token-1"};
  int failures = 0;
};

TEST_F(GuestScriptTest, WaitsForTheAgentAndForTheEnd) {
  site.set_asks_before_agent(30);
  site.set_asks_before_end(10);
  const Time begin = clock.now();
  const auto outcome = run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->exit_status, 0);
  EXPECT_EQ(outcome->output, "ran\n");
  EXPECT_THAT(site.started(), SizeIs(1));
  EXPECT_GE(clock.now() - begin, seconds(40));
}

TEST_F(GuestScriptTest, TellsHowItEnded) {
  site.set_run([](const GuestScript&) { return GuestScriptState{true, 3, "Failed", "no disk\n"}; });
  const auto outcome = run();
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->exit_status, 3);
  EXPECT_EQ(outcome->output, "no disk\n");
}

TEST_F(GuestScriptTest, OneThatTheSiteEndedIsToldWithWhatItSaid) {
  site.set_run([](const GuestScript&) { return GuestScriptState{true, -1, "ExecutionTimedOut", "half\n"}; });
  const auto outcome = run();
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->exit_status, -1);
  EXPECT_EQ(outcome->detail, "ExecutionTimedOut");
  EXPECT_EQ(outcome->output, "half\n");
}

TEST_F(GuestScriptTest, WithoutAnAgentTheSiteSaysWhatItLacks) {
  site.set_asks_before_agent(-1);
  script.patience = seconds(60);
  const Time begin = clock.now();
  const auto outcome = run();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(outcome.error().message(), HasSubstr("takes no scripts; install it"));
  EXPECT_GE(clock.now() - begin, seconds(60));
  EXPECT_LT(clock.now() - begin, seconds(70));
}

TEST_F(GuestScriptTest, OneThatMayNotBeAskedForEndsTheWaitAtOnce) {
  fail("takes_scripts", false, ErrorCode::permission_denied, 1);
  const Time begin = clock.now();
  EXPECT_EQ(run().error().code(), ErrorCode::permission_denied);
  EXPECT_EQ(clock.now(), begin);
}

TEST_F(GuestScriptTest, AfterACrashItGoesOnWithTheOneThatWasStarted) {
  ASSERT_TRUE(site.start_script(script).ok());
  GuestRunOptions resumed;
  resumed.may_exist = true;
  EXPECT_TRUE(run(resumed).ok());
  EXPECT_THAT(site.started(), SizeIs(1));
  script.token = "token-2";
  EXPECT_TRUE(run(resumed).ok());
  EXPECT_THAT(site.started(), SizeIs(2)) << "that one was not sent before the crash";
}

TEST_F(GuestScriptTest, OneThatIsNotListedYetIsLookedForAgain) {
  ASSERT_TRUE(site.start_script(script).ok());
  GuestRunOptions resumed;
  resumed.may_exist = true;
  site.set_asks_before_listed(3);
  EXPECT_TRUE(run(resumed).ok());
  EXPECT_THAT(site.started(), SizeIs(1));
  // Not to be known is no reason to start a second one.
  fail("find_script", false, ErrorCode::unavailable, 100);
  EXPECT_EQ(run(resumed).error().code(), ErrorCode::unavailable);
  EXPECT_THAT(site.started(), SizeIs(1));
}

TEST_F(GuestScriptTest, ItIsNotedBeforeItIsStarted) {
  GuestRunOptions options;
  options.starting = [&]() -> Result<> {
    EXPECT_THAT(site.started(), IsEmpty());
    return error(ErrorCode::exhausted, "the disk is full");
  };
  EXPECT_EQ(run(options).error().code(), ErrorCode::exhausted);
  EXPECT_THAT(site.started(), IsEmpty());
}

TEST_F(GuestScriptTest, ALostAnswerStartsNoSecondOne) {
  fail("start_script", true, ErrorCode::unavailable, 1);
  const auto outcome = run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_THAT(site.started(), SizeIs(1));
}

TEST_F(GuestScriptTest, ALostRequestIsSentAgain) {
  fail("start_script", false, ErrorCode::unavailable, 1);
  const auto outcome = run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_THAT(site.started(), SizeIs(1));
  failures = 0;
  script.token = "token-2";
  fail("start_script", false, ErrorCode::unavailable, 100);
  EXPECT_EQ(run().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(failures, 3);
}

TEST_F(GuestScriptTest, AlsoTheLastLostAnswerIsLookedFor) {
  int starts = 0;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method != "start_script") return {};
    if (!done && ++starts < 3) return error(ErrorCode::unavailable, "lost on the way there");
    return done ? Result<>(error(ErrorCode::unavailable, "lost on the way back")) : Result<>();
  });
  const auto outcome = run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(starts, 3);
  EXPECT_THAT(site.started(), SizeIs(1));
}

TEST_F(GuestScriptTest, ASiteThatDoesNotAnswerForAWhileIsWaitedFor) {
  site.set_asks_before_end(2);
  fail("script_state", false, ErrorCode::unavailable, 20);
  EXPECT_TRUE(run().ok());
  failures = 0;
  script.token = "token-2";
  fail("script_state", false, ErrorCode::not_found, 1);
  EXPECT_EQ(run().error().code(), ErrorCode::not_found);
  EXPECT_THAT(site.cancelled(), ElementsAre("script-2")) << "nobody would wait for it any more";
}

TEST_F(GuestScriptTest, WhatADeadProcessLeftIsEnded) {
  EXPECT_TRUE(end_guest_script(site, script.instance, script.token).ok()) << "there is none";
  ASSERT_TRUE(site.start_script(script).ok());
  EXPECT_TRUE(end_guest_script(site, script.instance, script.token).ok());
  EXPECT_THAT(site.cancelled(), IsEmpty()) << "it has ended by itself";
  site.set_asks_before_end(10);
  script.token = "token-2";
  ASSERT_TRUE(site.start_script(script).ok());
  EXPECT_TRUE(end_guest_script(site, script.instance, script.token).ok());
  EXPECT_THAT(site.cancelled(), ElementsAre("script-2"));
}

TEST_F(GuestScriptTest, OneThatDoesNotEndIsCancelled) {
  site.set_asks_before_end(100000);
  script.patience = seconds(90);
  const auto outcome = run();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(outcome.error().message(), HasSubstr("it was still running after 1 min 30 s"));
  EXPECT_THAT(site.cancelled(), ElementsAre("script-1"));
}

TEST_F(GuestScriptTest, OnStopItIsCancelled) {
  site.set_asks_before_end(100000);
  std::stop_source stop;
  site.set_run([&](const GuestScript&) {
    stop.request_stop();
    return GuestScriptState{true, 0, "", ""};
  });
  GuestRunOptions options;
  options.stop = stop.get_token();
  EXPECT_EQ(run(options).error().code(), ErrorCode::cancelled);
  EXPECT_THAT(site.cancelled(), ElementsAre("script-1"));
  script.token = "token-2";
  site.set_asks_before_agent(100000);
  EXPECT_EQ(run(options).error().code(), ErrorCode::cancelled);
  EXPECT_THAT(site.started(), SizeIs(1)) << "nothing is started any more";
}

}  // namespace
}  // namespace rekindle
