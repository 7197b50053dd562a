#include "jobs/job_runner.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace rekindle {
namespace {

class JobRunnerTest : public testing::Test {
 protected:
  Step step(const std::string& name, const StepFunction& perform = {}) {
    return {name, "test", name, [this, name, perform](StepContext& context) -> Result<> {
              performed.push_back(name);
              return perform ? perform(context) : Result<>();
            }};
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock clock;
  SystemRandom random;
  JobObserver observer;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  JobRunner runner{*catalog, clock, random, observer};
  ManualClock quick{clock.now()};
  JobRunner patient{*catalog, quick, random, observer};  // its pauses take no time
  std::vector<std::string> performed;
  JobProcedure procedure{JobKind::backup, {}, [this](StepContext&) -> Result<> {
                           performed.emplace_back("clean_up");
                           return {};
                         }};
};

TEST_F(JobRunnerTest, PerformsTheStepsInOrderAndKeepsWhatTheyFound) {
  procedure.steps = {step("one",
                          [](StepContext& context) -> Result<> {
                            context.job.data["found"] = 7;
                            return {};
                          }),
                     step("two", [](StepContext& context) -> Result<> {
                       EXPECT_EQ(context.job.data.at("found"), 7);
                       EXPECT_EQ(context.catalog.job(context.job.id)->data.at("found"), 7)
                           << "saved before step two";
                       return {};
                     })};
  const Job job = runner.start(procedure, "web", {}).value();
  EXPECT_EQ(job.state, JobState::succeeded);
  EXPECT_EQ(performed, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(job.timings.size(), 2U);
  EXPECT_TRUE(catalog->unfinished_jobs()->empty());
}

TEST_F(JobRunnerTest, AFailedStepIsCleanedUpAndTheJobSaysWhy) {
  procedure.steps = {
      step("one", [](StepContext&) -> Result<> { return error(ErrorCode::exhausted, "no space"); }),
      step("two")};
  const Job job = runner.start(procedure, "web", {}).value();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(outcome(job).error().message(), "no space");
  EXPECT_EQ(outcome(job).error().code(), ErrorCode::exhausted);
  EXPECT_EQ(performed, (std::vector<std::string>{"one", "clean_up"}));
}

TEST_F(JobRunnerTest, ATransientErrorIsTriedOnceMore) {
  int calls = 0;
  procedure.steps = {step("one", [&](StepContext&) -> Result<> {
    return ++calls == 1 ? Result<>(error(ErrorCode::unavailable, "busy")) : Result<>();
  })};
  EXPECT_EQ(runner.start(procedure, "web", {})->state, JobState::succeeded);
  EXPECT_EQ(calls, 2);
}

TEST_F(JobRunnerTest, AJobOfADeadProcessGoesOnWithTheStepItWasAt) {
  procedure.steps = {step("one"), step("two"), step("three")};
  Job job = catalog->create_job(JobKind::backup, "web", {}, "one").value();
  job = catalog->claim_job(job.id, process_owner()).value();
  job.step = "two";
  ASSERT_TRUE(catalog->save_job(job).ok());
  const Job resumed = runner.resume(procedure, job.id).value();
  EXPECT_EQ(resumed.state, JobState::succeeded);
  EXPECT_EQ(performed, (std::vector<std::string>{"two", "three"}));
}

TEST_F(JobRunnerTest, AJobThatDiedWhileCleaningIsOnlyCleaned) {
  procedure.steps = {step("one")};
  Job job = catalog->create_job(JobKind::backup, "web", {}, "one").value();
  job = catalog->claim_job(job.id, process_owner()).value();
  job.state = JobState::cleaning;
  job.error = "why it failed";
  job.error_code = ErrorCode::corrupt;
  ASSERT_TRUE(catalog->save_job(job).ok());
  const Job resumed = runner.resume(procedure, job.id).value();
  EXPECT_EQ(resumed.state, JobState::failed);
  EXPECT_EQ(resumed.error, "why it failed");
  EXPECT_EQ(performed, (std::vector<std::string>{"clean_up"}));
}

TEST_F(JobRunnerTest, CancelFromAnotherProcessStopsTheStepInWork) {
  procedure.steps = {step("one",
                          [&](StepContext& context) -> Result<> {
                            TRY(Catalog::open(directory.path() / "catalog.db", clock)
                                    .value()
                                    ->request_cancel(context.job.id));
                            while (context.clock.sleep(std::chrono::milliseconds(20), context.stop)) {
                            }
                            return error(ErrorCode::cancelled, "cancelled by the user");
                          }),
                     step("two")};
  const Job job = runner.start(procedure, "web", {}).value();
  EXPECT_EQ(job.state, JobState::cancelled);
  EXPECT_EQ(performed, (std::vector<std::string>{"one", "clean_up"}));
}

TEST_F(JobRunnerTest, WhatCannotBeCleanedNowIsSaidAndDoesNotHoldTheJobOpen) {
  procedure.steps = {
      step("one", [](StepContext&) -> Result<> { return error(ErrorCode::internal, "broke"); })};
  procedure.clean_up = [](StepContext&) -> Result<> { return error(ErrorCode::unavailable, "site is away"); };
  const Job job = runner.start(procedure, "web", {}).value();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.data.at("left_behind"), "site is away");
}

TEST_F(JobRunnerTest, WhatMustBeCleanedUpIsTriedAgain) {
  procedure.steps = {
      step("one", [](StepContext&) -> Result<> { return error(ErrorCode::internal, "broke"); })};
  procedure.must_clean_up = true;
  int attempts = 0;
  procedure.clean_up = [&](StepContext&) -> Result<> {
    return ++attempts < 3 ? Result<>(error(ErrorCode::exhausted, "no capacity")) : Result<>();
  };
  const Job job = patient.start(procedure, "web", {}).value();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.error, "broke");
  EXPECT_EQ(attempts, 3);
  EXPECT_FALSE(job.data.contains("left_behind"));
}

TEST_F(JobRunnerTest, AJobThatMustBeCleanedUpAfterStaysOpenUntilItIs) {
  procedure.steps = {
      step("one", [](StepContext&) -> Result<> { return error(ErrorCode::internal, "broke"); })};
  procedure.must_clean_up = true;
  bool site_is_away = true;
  int attempts = 0;
  procedure.clean_up = [&](StepContext&) -> Result<> {
    ++attempts;
    return site_is_away ? Result<>(error(ErrorCode::unavailable, "site is away")) : Result<>();
  };
  const Job left = patient.start(procedure, "web", {}).value();
  EXPECT_EQ(left.state, JobState::cleaning);
  EXPECT_GT(attempts, 5);
  EXPECT_NE(
      outcome(left).error().message().find("broke; what it changed is not put right yet (site is away)"),
      std::string::npos);
  ASSERT_EQ(catalog->unfinished_jobs()->size(), 1U);
  EXPECT_FALSE(owner_lives(catalog->job(left.id)->owner)) << "anybody may go on with it";
  site_is_away = false;
  EXPECT_EQ(patient.resume(procedure, left.id)->state, JobState::failed);
  EXPECT_TRUE(catalog->unfinished_jobs()->empty());
}

TEST_F(JobRunnerTest, WhatNeedsAPersonIsNotTriedAgain) {
  procedure.steps = {
      step("one", [](StepContext&) -> Result<> { return error(ErrorCode::internal, "broke"); })};
  procedure.must_clean_up = true;
  int attempts = 0;
  procedure.clean_up = [&](StepContext&) -> Result<> {
    ++attempts;
    return error(ErrorCode::failed_precondition, "somebody must decide");
  };
  EXPECT_EQ(patient.start(procedure, "web", {})->state, JobState::cleaning);
  EXPECT_EQ(attempts, 1);
}

TEST_F(JobRunnerTest, CleaningMayFindThatTheJobWasDone) {
  procedure.steps = {
      step("one", [](StepContext&) -> Result<> { return error(ErrorCode::unavailable, "lost answer"); })};
  procedure.clean_up = [](StepContext& context) -> Result<> {
    context.job.state = JobState::succeeded;
    return {};
  };
  const Job job = patient.start(procedure, "web", {}).value();
  EXPECT_EQ(job.state, JobState::succeeded);
  EXPECT_TRUE(outcome(job).ok());
  EXPECT_TRUE(catalog->unfinished_jobs()->empty());
}

}  // namespace
}  // namespace rekindle
