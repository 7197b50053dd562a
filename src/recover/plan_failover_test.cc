#include "recover/plan_failover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "model/json.h"
#include "site/memory_site.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class PlanFailoverTest : public testing::Test {
 protected:
  void plan_of(std::vector<PlanStep> steps, std::vector<std::string> machines = {"a", "b", "c"}) {
    DrPlan plan;
    plan.name = "plan";
    for (const std::string& machine : machines) plan.machines.push_back({machine, {}, {}});
    plan.steps = std::move(steps);
    ASSERT_TRUE(check_plan(plan).ok()) << check_plan(plan).error().message();
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  static PlanStep step(const std::string& name, std::vector<std::string> machines) {
    PlanStep step;
    step.name = name;
    step.machines = std::move(machines);
    return step;
  }

  Result<Job> perform(const FailoverRequest& request) {
    {
      const std::lock_guard lock(mutex);
      started.push_back(request.machine);
    }
    if (during) during(request.machine);
    Job job;
    job.id = JobId("job-" + request.machine);
    job.kind = JobKind::failover;
    job.subject = request.machine;
    job.state = broken == request.machine ? JobState::failed : JobState::succeeded;
    job.error_code = ErrorCode::exhausted;
    job.error = broken == request.machine ? "AWS has no capacity" : "";
    job.data["instance_id"] = "i-" + request.machine;
    return job;
  }
  JobProcedure procedure() {
    return plan_failover_procedure(
        [this](const FailoverRequest& request, std::stop_token) { return perform(request); }, site);
  }
  Job fail_over(PlanFailoverRequest request = {}, std::stop_token stop = {}) {
    request.plan = "plan";
    JobRunner runner(*catalog, clock, random, observer);
    return runner.start(procedure(), plan_subject("plan"), parameters_of(request), std::move(stop)).value();
  }
  // A machine of the plan that an earlier run has started in production.
  Failover running_since(const std::string& machine) {
    const ImageId image = site.start_image({image_block_bytes, {}, "disk", "image", {}}).value();
    EXPECT_TRUE(site.open_writer(image).value()->complete().ok());
    const TemplateId made = site.register_template({"template", Firmware::bios, {{image, ""}}, {}}).value();
    LaunchSpec spec;
    spec.image_template = made;
    spec.token = "instance";
    Failover running;
    running.id = "failover-1";
    running.plan = "plan";
    running.machine = machine;
    running.account = "aws";
    running.instance_id = site.launch(spec).value();
    running.private_ip = "10.0.0.7";
    EXPECT_TRUE(catalog->put(running).ok());
    return running;
  }
  std::string state_of(const Job& job, const std::string& step) {
    const auto steps = job.data.value("steps", nlohmann::json::object());
    return text(steps.value(step, nlohmann::json::object()), "state");
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock wall_clock;
  ManualClock clock{wall_clock.now()};
  SystemRandom random;
  JobObserver observer;
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", wall_clock).value();
  MemorySite site;
  std::mutex mutex;
  std::vector<std::string> started;
  std::string broken;
  std::function<void(const std::string&)> during;
};

TEST_F(PlanFailoverTest, StepsAreDoneInTheirOrderAndWhatNoStepNamesFirst) {
  plan_of({step("database", {"c"}), step("web", {"a"})});
  const Job job = fail_over();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_THAT(started, ElementsAre("b", "c", "a"));
  EXPECT_EQ(job.data.at("machines").at("a").at("instance_id"), "i-a");
  EXPECT_EQ(state_of(job, "web"), "done");
}

TEST_F(PlanFailoverTest, TheMachinesOfAStepRunSideBySide) {
  plan_of({step("all", {"a", "b", "c"})});
  std::barrier together(3);  // nobody goes on before all three are there
  during = [&](const std::string&) { together.arrive_and_wait(); };
  EXPECT_EQ(fail_over().state, JobState::succeeded);
  EXPECT_THAT(started, UnorderedElementsAre("a", "b", "c"));
}

TEST_F(PlanFailoverTest, AFailedMachineEndsTheWorkflowOrNotAsItsStepSays) {
  broken = "a";
  plan_of({step("first", {"a", "b"}), step("second", {"c"})});
  const Job aborted = fail_over();
  EXPECT_EQ(aborted.state, JobState::failed);
  EXPECT_EQ(aborted.error, "step 'first': a: AWS has no capacity");
  EXPECT_THAT(started, UnorderedElementsAre("a", "b")) << "its companions are started all the same";
  started.clear();
  PlanStep first = step("first", {"a", "b"});
  first.on_failure = OnFailure::go_on;
  plan_of({first, step("second", {"c"})});
  const Job went_on = fail_over();
  EXPECT_EQ(went_on.state, JobState::failed) << "it says so at the end";
  EXPECT_THAT(started, UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(state_of(went_on, "second"), "done");
}

TEST_F(PlanFailoverTest, WithoutStepsTheErrorIsThatOfTheMachine) {
  broken = "a";
  plan_of({}, {"a"});
  EXPECT_EQ(fail_over().error, "AWS has no capacity");
}

TEST_F(PlanFailoverTest, OnlyTheMachinesThatAreAskedFor) {
  plan_of({step("first", {"a", "b"}), step("second", {"c"})});
  PlanFailoverRequest request;
  request.machines = {"b"};
  EXPECT_EQ(fail_over(request).state, JobState::succeeded);
  EXPECT_THAT(started, ElementsAre("b"));
}

TEST_F(PlanFailoverTest, AStepWaitsBeforeItBegins) {
  PlanStep second = step("second", {"b"});
  second.delay_seconds = 90;
  plan_of({step("first", {"a"}), second}, {"a", "b"});
  const Time begin = clock.now();
  EXPECT_EQ(fail_over().state, JobState::succeeded);
  EXPECT_GE(clock.now() - begin, std::chrono::seconds(90));
}

TEST_F(PlanFailoverTest, AStepThatNeedsAnApprovalWaitsForIt) {
  PlanStep second = step("second", {"b"});
  second.approval = true;
  plan_of({step("first", {"a"}), second}, {"a", "b"});
  std::jthread person([&] {
    for (;;) {
      const auto jobs = catalog->jobs_of(plan_subject("plan")).value();
      if (!jobs.empty() && state_of(jobs.back(), "second") == "waits for an approval") {
        const std::lock_guard lock(mutex);
        EXPECT_THAT(started, ElementsAre("a"));
        EXPECT_TRUE(catalog->put(Approval{approval_id(jobs.back().id, "second"), wall_clock.now()}).ok());
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  EXPECT_EQ(fail_over().state, JobState::succeeded);
  EXPECT_THAT(started, ElementsAre("a", "b"));
}

TEST_F(PlanFailoverTest, ACancelEndsAStepThatWaits) {
  PlanStep only = step("only", {"a"});
  only.approval = true;
  plan_of({only}, {"a"});
  std::stop_source source;
  source.request_stop();
  const Job job = fail_over({}, source.get_token());
  EXPECT_EQ(job.state, JobState::cancelled);
  EXPECT_THAT(started, IsEmpty());
}

TEST_F(PlanFailoverTest, AScriptSeesWhatWasStartedAndItsFailureIsThatOfTheStep) {
  PlanStep first = step("first", {"a"});
  first.script = "echo \"$REKINDLE_STEP $REKINDLE_KIND $REKINDLE_MACHINES\"";
  plan_of({first}, {"a"});
  const Job job = fail_over();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const std::string output = job.data.at("steps").at("first").at("script_output");
  EXPECT_THAT(output, HasSubstr("first production"));
  EXPECT_THAT(output, HasSubstr("\"instance_id\":\"i-a\""));
  first.script = "echo the DNS does not answer; exit 7";
  plan_of({first}, {"a"});
  EXPECT_EQ(fail_over().error, "step 'first': the script ended with status 7: the DNS does not answer");
}

TEST_F(PlanFailoverTest, AScriptRunsInsideTheMachinesThatItsStepNames) {
  PlanStep second = step("second", {"c"});
  second.script = "hostname";
  second.script_on = {"a", "c"};
  second.script_seconds = 20;
  plan_of({step("first", {"a", "b"}), second});
  site.scripts().set_run([](const GuestScript& script) {
    return GuestScriptState{true, 0, "", script.environment.at("REKINDLE_MACHINE") + "\n"};
  });
  const Job job = fail_over();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const auto state = job.data.at("steps").at("second");
  EXPECT_EQ(state.at("script_outputs"), (nlohmann::json{{"a", "a\n"}, {"c", "c\n"}}));
  EXPECT_FALSE(state.contains("script_output")) << "nothing ran here";
  const auto scripts = site.scripts().started();
  ASSERT_EQ(scripts.size(), 2U);
  for (const GuestScript& script : scripts) {
    const std::string machine = script.environment.at("REKINDLE_MACHINE");
    EXPECT_EQ(script.instance, InstanceId("i-" + machine));
    EXPECT_EQ(script.script, "hostname");
    EXPECT_EQ(script.patience, std::chrono::seconds(20));
    EXPECT_EQ(script.token, "rekindle-" + job.id.str() + "-second");
    EXPECT_EQ(script.environment.at("REKINDLE_STEP"), "second");
    EXPECT_THAT(script.environment.at("REKINDLE_MACHINES"), HasSubstr(R"("b":{"instance_id":"i-b"})"));
  }
}

TEST_F(PlanFailoverTest, AScriptThatFailsInsideAMachineIsTheFailureOfItsStep) {
  PlanStep first = step("first", {"a", "b"});
  first.script = "false";
  first.script_on = {"a", "b"};
  plan_of({first, step("second", {"c"})});
  site.scripts().set_run([](const GuestScript& script) {
    return GuestScriptState{true, script.instance == InstanceId("i-b") ? 3 : 0, "", "no disk\n"};
  });
  const Job job = fail_over();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.error, "step 'first': b: the script ended with status 3: no disk");
  EXPECT_EQ(job.data.at("steps").at("first").at("script_outputs").at("b"), "no disk\n");
  EXPECT_THAT(started, UnorderedElementsAre("a", "b"));
}

TEST_F(PlanFailoverTest, AScriptIsNotRunInMachinesThatWereNotAskedForOrNotStarted) {
  PlanStep first = step("first", {"a", "b"});
  first.on_failure = OnFailure::go_on;
  PlanStep second = step("second", {"c"});
  second.script = "hostname";
  second.script_on = {"a"};
  plan_of({first, second});
  PlanFailoverRequest only_c;
  only_c.machines = {"c"};
  only_c.asked = {{"machines", {"c"}}};
  EXPECT_EQ(fail_over(only_c).state, JobState::succeeded);
  EXPECT_THAT(site.scripts().started(), IsEmpty());
  broken = "a";
  const Job job = fail_over();
  EXPECT_EQ(text(job.data.at("steps").at("second"), "error"),
            "a: the script cannot run in it: it was not started");
  EXPECT_THAT(site.scripts().started(), IsEmpty());
}

TEST_F(PlanFailoverTest, AScriptThatFailedIsRunAgainByTheNextRunInAMachineThatRunsSince) {
  PlanStep second = step("second", {"c"});
  second.script = "hostname";
  second.script_on = {"a"};
  plan_of({step("first", {"a", "b"}), second});
  const Failover running = running_since("a");
  PlanFailoverRequest the_rest;
  the_rest.machines = {"b", "c"};  // the user named none
  EXPECT_EQ(fail_over(the_rest).state, JobState::succeeded);
  ASSERT_EQ(site.scripts().started().size(), 1U);
  const GuestScript script = site.scripts().started().at(0);
  EXPECT_EQ(script.instance, running.instance_id);
  EXPECT_THAT(script.environment.at("REKINDLE_MACHINES"), HasSubstr(R"("private_ip":"10.0.0.7")"));
}

TEST_F(PlanFailoverTest, WhereAllMachinesRunTheStepsAreTakenUp) {
  PlanStep first = step("first", {"a"});
  first.script = "hostname";
  first.script_on = {"a"};
  plan_of({first, step("second", {"b"})}, {"a", "b"});
  Failover running = running_since("a");
  PlanFailoverRequest request;
  request.takes_up_steps = true;
  const Job job = fail_over(request);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_THAT(started, ElementsAre("b")) << "it had ended meanwhile";
  const auto record = job.data.at("machines").at("a");
  EXPECT_EQ(record.at("instance_id"), running.instance_id.str());
  EXPECT_EQ(record.at("private_ip"), "10.0.0.7");
  EXPECT_EQ(record.at("ran_before"), true);
  EXPECT_FALSE(job.data.at("machines").at("b").contains("ran_before"));
  ASSERT_EQ(site.scripts().started().size(), 1U);
  running.kind = FailoverKind::test;
  ASSERT_TRUE(catalog->put(running).ok());
  started.clear();
  ASSERT_EQ(fail_over(request).state, JobState::succeeded);
  EXPECT_THAT(started, ElementsAre("a", "b")) << "a test is not production";
}

TEST_F(PlanFailoverTest, AMachineThatComesHomeOrHasStoppedIsNotTakenUp) {
  plan_of({step("first", {"a"})}, {"a"});
  const Failover running = running_since("a");
  PlanFailoverRequest request;
  request.takes_up_steps = true;
  Job failback = catalog->create_job(JobKind::failback, "a", {}, "send").value();
  EXPECT_THAT(fail_over(request).error, HasSubstr("a is being worked on by " + failback.id.str()));
  failback.state = JobState::succeeded;
  ASSERT_TRUE(catalog->save_job(failback).ok());
  site.end_instance(running.instance_id, "a panic of its guest");
  EXPECT_THAT(fail_over(request).error, HasSubstr("a does not run any more as " + running.instance_id.str()));
  EXPECT_THAT(started, IsEmpty());
}

TEST_F(PlanFailoverTest, AScriptThatADeadProcessLeftIsEndedWithItsJob) {
  PlanStep first = step("first", {"a"});
  first.script = "restore";
  first.script_on = {"a"};
  plan_of({first}, {"a"});
  site.scripts().set_asks_before_end(1000);
  JobId id;
  JobProcedure dying = procedure();
  dying.steps.at(0).perform = [&](StepContext& context) -> Result<> {
    id = context.job.id;
    context.job.data["steps"]["first"] = {{"state", "running"}, {"scripts_begun", {{"a", "i-a"}}}};
    TRY(context.catalog.save_job(context.job));
    TRY(site.scripts().start_script(
        {InstanceId("i-a"), "restore", {}, std::chrono::seconds(9), "rekindle-" + id.str() + "-first"}));
    throw std::runtime_error("killed");
  };
  JobRunner runner(*catalog, clock, random, observer);
  PlanFailoverRequest request;
  request.plan = "plan";
  EXPECT_THROW((void)runner.start(dying, plan_subject("plan"), parameters_of(request)), std::runtime_error);
  std::stop_source cancelled;
  cancelled.request_stop();
  EXPECT_EQ(runner.resume(procedure(), id, cancelled.get_token())->state, JobState::cancelled);
  EXPECT_THAT(site.scripts().cancelled(), ElementsAre("script-1"));
}

// The process is killed in the second step: what is done is not done again.
TEST_F(PlanFailoverTest, GoesOnWithTheStepItWasAt) {
  plan_of({step("first", {"a"}), step("second", {"b"}), step("third", {"c"})});
  JobProcedure dying = procedure();
  JobId id;
  const auto workflow = dying.steps.at(0).perform;
  dying.steps.at(0).perform = [&](StepContext& context) -> Result<> {
    id = context.job.id;
    context.job.data["steps"]["first"]["state"] = "done";
    TRY(context.catalog.save_job(context.job));
    // As a process that is killed: the job stays, nothing is cleaned up.
    throw std::runtime_error("killed");
  };
  JobRunner runner(*catalog, clock, random, observer);
  EXPECT_THROW(
      (void)runner.start(dying, plan_subject("plan"),
                         parameters_of(PlanFailoverRequest{"plan", FailoverKind::test, false, {}, {}, {}})),
      std::runtime_error);
  const auto resumed = runner.resume(procedure(), id);
  ASSERT_TRUE(resumed.ok()) << resumed.error().message();
  EXPECT_EQ(resumed->state, JobState::succeeded) << resumed->error;
  EXPECT_THAT(started, ElementsAre("b", "c"));
}

// Whenever a step lets them start: the test is over for all of them at once.
TEST_F(PlanFailoverTest, AllMachinesOfATestExpireAtTheSameTime) {
  plan_of({step("first", {"a"}), step("last", {"b"})}, {"a", "b"});
  std::vector<Time> expiries;
  const RunFailover note = [&](const FailoverRequest& request, std::stop_token) {
    expiries.push_back(request.expires);
    clock.advance(std::chrono::minutes(5));
    return perform(request);
  };
  PlanFailoverRequest request;
  request.plan = "plan";
  request.kind = FailoverKind::test;
  request.expires = clock.now() + std::chrono::hours(8);
  JobRunner runner(*catalog, clock, random, observer);
  const Job job =
      runner.start(plan_failover_procedure(note, site), plan_subject("plan"), parameters_of(request)).value();
  EXPECT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_THAT(expiries, ElementsAre(request.expires, request.expires));
  EXPECT_FALSE(parameters_of(PlanFailoverRequest{}).contains("expires"));
}

}  // namespace
}  // namespace rekindle
