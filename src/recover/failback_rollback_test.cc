// The machine is alive at exactly one site, whatever fails and whoever interferes.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "recover/failback_check.h"
#include "recover/failback_fixture.h"
#include "recover/failback_forecast.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class FailbackRollbackTest : public FailbackTest {
 protected:
  void away() {
    live_in_the_account();
    ASSERT_TRUE(site.power_off(id).ok());
    write_in_the_account();
  }
  void service_is_dead_at_home() {
    http.answer = [](const HttpRequest&) { return HttpResponse::text(500, "text/plain", ""); };
  }
  // Of this call the first `times` fail.
  void fail(const std::string& method, ErrorCode code, int times) {
    site.set_fault([method, code, left = times](std::string_view called, bool done) mutable -> Result<> {
      if (called != method || done || left == 0) return {};
      --left;
      return error(code, "{} is refused", method);
    });
  }
  // The process is killed at the first such call, before it takes effect.
  void killed_at(const std::string& method) {
    site.set_fault([method](std::string_view called, bool done) -> Result<> {
      if (called == method && !done) throw std::runtime_error("killed");
      return {};
    });
    EXPECT_THROW((void)come_home(), std::runtime_error);
    site.set_fault({});
  }
  Job unfinished() { return catalog->unfinished_jobs()->at(0); }
  Job resume() {
    clock.sleep(std::chrono::milliseconds(2));
    JobRunner runner(*catalog, clock, random, observer);
    return runner.resume(failback(), unfinished().id).value();
  }
  PowerState power() { return site.machine(id)->power; }
  void expect_home_is_as_the_instance() {
    EXPECT_TRUE(site.disk_content(id, 0) == stored(newest_point(), "disk-a"));
    EXPECT_TRUE(site.disk_content(id, 1) == site.instance_disk(instance(), 1));
  }
};

constexpr int always = 1000000;

TEST_F(FailbackRollbackTest, AnInstanceThatDoesNotStartIsTriedAgain) {
  away();
  service_is_dead_at_home();
  fail("start", ErrorCode::exhausted, 3);
  const Job job = come_home();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(instance_state(), InstanceState::running);
  EXPECT_EQ(power(), PowerState::off);
}

TEST_F(FailbackRollbackTest, StaysOpenUntilTheInstanceStarts) {
  away();
  service_is_dead_at_home();
  fail("start", ErrorCode::exhausted, always);
  const Job job = come_home();
  EXPECT_EQ(job.state, JobState::cleaning);
  EXPECT_THAT(outcome(job).error().message(), HasSubstr("start is refused"));
  EXPECT_EQ(power(), PowerState::off);
  site.set_fault({});
  EXPECT_EQ(resume().state, JobState::failed);
  EXPECT_EQ(instance_state(), InstanceState::running);
  EXPECT_EQ(runs_at(), RunsAt::account);
}

TEST_F(FailbackRollbackTest, NoInstanceStartsWhileTheVmMayRun) {
  away();
  service_is_dead_at_home();
  // Its order to switch on arrives, the one to switch off does not.
  bool is_on = false;
  site.set_fault([&](std::string_view called, bool done) -> Result<> {
    if (called == "power_on" && done) is_on = true;
    if (called == "power_off" && is_on)
      return error(ErrorCode::unavailable, "the datacenter does not answer");
    return {};
  });
  const Job job = come_home();
  EXPECT_EQ(job.state, JobState::cleaning);
  EXPECT_EQ(power(), PowerState::on);
  EXPECT_EQ(instance_state(), InstanceState::stopped);

  // The user says that the datacenter is lost: it goes on in the account, and the VM is not forgotten.
  ASSERT_TRUE(catalog->put(Approval{approval_id(job.id, failback_datacenter_is_down), clock.now()}).ok());
  const Job given_up = resume();
  EXPECT_EQ(given_up.state, JobState::cleaning);
  EXPECT_EQ(given_up.data.at("must_be_off").at("machine_id"), id.str());
  EXPECT_THAT(outcome(given_up).error().message(), HasSubstr("must not run"));
  EXPECT_EQ(instance_state(), InstanceState::running);
  const auto found = check_failback({*catalog, site, *this, clock}, catalog->get<DrPlan>("plan").value(), {},
                                    ComeHomeTo::automatic, false)
                         .value();
  EXPECT_TRUE(std::any_of(found.findings.begin(), found.findings.end(), [](const Finding& finding) {
    return finding.topic == "earlier failback" && finding.light == Light::yellow;
  }));

  site.set_fault({});
  const Job over = resume();
  EXPECT_EQ(over.state, JobState::failed);
  EXPECT_FALSE(over.data.contains("must_be_off"));
  EXPECT_EQ(power(), PowerState::off);
  EXPECT_EQ(instance_state(), InstanceState::running);
}

// The order to stop was accepted, and for a while the site still says that it runs.
TEST_F(FailbackRollbackTest, DoesNotTrustThatItRunsRightAfterTheOrderToStop) {
  away();
  bool ordered = false;
  int looks = 0;
  site.set_fault([&](std::string_view called, bool done) -> Result<> {
    if (called == "stop" && !done) {
      ordered = true;
      return error(ErrorCode::permission_denied, "the answer was lost");
    }
    if (called == "instance" && ordered && !done && ++looks == 3) site.end_instance(instance(), "by order");
    return {};
  });
  const Job job = come_home();
  site.set_fault({});
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_GE(looks, 3);
  EXPECT_EQ(instance_state(), InstanceState::running);
}

TEST_F(FailbackRollbackTest, AnInstanceThatWasStoppedBeforeStaysStopped) {
  away();
  ASSERT_TRUE(site.stop(instance()).ok());
  service_is_dead_at_home();
  EXPECT_EQ(come_home().state, JobState::failed);
  EXPECT_EQ(instance_state(), InstanceState::stopped);
  EXPECT_EQ(power(), PowerState::off);
}

TEST_F(FailbackRollbackTest, WhatWasWrittenAfterTheLastPassComesHome) {
  away();
  killed_at("power_on");
  ASSERT_EQ(instance_state(), InstanceState::stopped);
  ASSERT_TRUE(site.start(instance()).ok());
  site.instance_writes(instance(), 1, 2 * mib, random.bytes(64 * kib));
  const Job job = resume();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_one_home();
  expect_home_is_as_the_instance();
}

TEST_F(FailbackRollbackTest, AlsoWhereItIsStoppedAgainByThen) {
  away();
  killed_at("power_on");
  ASSERT_TRUE(site.start(instance()).ok());
  site.instance_writes(instance(), 1, 2 * mib, random.bytes(64 * kib));
  ASSERT_TRUE(site.stop(instance()).ok());
  const Job job = resume();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_home_is_as_the_instance();
}

TEST_F(FailbackRollbackTest, WhereBothRanTheAccountsGoesOn) {
  away();
  site.set_fault([](std::string_view called, bool done) -> Result<> {
    if (called == "power_on" && done) throw std::runtime_error("killed");
    return {};
  });
  EXPECT_THROW((void)come_home(), std::runtime_error);
  site.set_fault({});
  ASSERT_EQ(power(), PowerState::on);
  ASSERT_TRUE(site.start(instance()).ok());
  const Job job = resume();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("was started again while the VM web ran at home"));
  EXPECT_EQ(power(), PowerState::off);
  EXPECT_EQ(instance_state(), InstanceState::running);
}

TEST_F(FailbackRollbackTest, AFailbackThatIsRecordedIsNotRolledBack) {
  away();
  Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded);
  job = catalog->claim_job(job.id, process_owner()).value();
  job.state = JobState::cleaning;  // as when the answer of the record's transaction was lost
  job.error = "lost";
  ASSERT_TRUE(catalog->save_job(job).ok());
  const Job over = resume();
  EXPECT_EQ(over.state, JobState::succeeded);
  EXPECT_EQ(power(), PowerState::on);
  EXPECT_EQ(instance_state(), InstanceState::stopped);
}

TEST_F(FailbackRollbackTest, AnInstanceThatRunsAgainIsNotRemoved) {
  away();
  ASSERT_EQ(come_home().state, JobState::succeeded);
  ASSERT_TRUE(site.start(instance()).ok());
  const Job refused = run(failover_cleanup_procedure(site), {{"failover_id", failover().id}});
  EXPECT_THAT(refused.error, HasSubstr("runs again"));
  EXPECT_EQ(instance_state(), InstanceState::running);
  ASSERT_TRUE(site.stop(instance()).ok());
  EXPECT_EQ(run(failover_cleanup_procedure(site), {{"failover_id", failover().id}}).state,
            JobState::succeeded);
}

TEST_F(FailbackRollbackTest, TheVmOfBeforeIsOffWhereANewOneHasItsAddresses) {
  away();
  ASSERT_TRUE(site.power_on(id).ok());
  FailbackRequest request;
  request.test = true;
  ASSERT_EQ(come_home(request).state, JobState::succeeded);
  EXPECT_EQ(power(), PowerState::on) << "a rehearsal leaves it alone";
  request.test = false;
  request.to = ComeHomeTo::fresh;
  const Job job = come_home(request);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(power(), PowerState::off);
  EXPECT_EQ(site.machine(MachineId(job.data.at("machine_id").get<std::string>()))->power, PowerState::on);
}

TEST_F(FailbackRollbackTest, AThawThatFailsIsDoneAgain) {
  away();
  int thaws = 0;
  // Of the look, of the pass, which takes a leftover away before it is done again, and of the mark.
  const std::set<int> lost = {1, 3, 6};
  site.set_fault([&](std::string_view called, bool done) -> Result<> {
    if (called == "remove_snapshot" && !done && lost.contains(++thaws))
      return error(ErrorCode::unavailable, "the order was lost");
    return {};
  });
  const Job job = come_home();
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_GE(thaws, 7);
  EXPECT_EQ(site.snapshot_count(), 0U);
  expect_home_is_as_the_instance();
}

TEST_F(FailbackRollbackTest, WhatOthersWriteToTheVmMeanwhileIsWrittenOver) {
  away();
  // The VM is switched on by somebody while the last changes before the mark are read.
  bool wrote = false;
  site.set_fault([&](std::string_view called, bool done) -> Result<> {
    if (called == "freeze_instance" && !done && !wrote) {
      wrote = true;
      site.guest_writes(id, 1, 2 * mib, random.bytes(64 * kib));  // not written to in the account
      site.guest_writes(id, 1, 1 * mib, random.bytes(64 * kib));  // written to there, too
    }
    return {};
  });
  const Job job = come_home();
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  ASSERT_TRUE(wrote);
  expect_home_is_as_the_instance();
}

TEST_F(FailbackRollbackTest, AlsoOfAJobThatWasInterrupted) {
  away();
  killed_at("stop");
  ASSERT_TRUE(site.power_on(id).ok());
  site.guest_writes(id, 1, 2 * mib, random.bytes(64 * kib));
  site.guest_writes(id, 0, 14 * mib, random.bytes(64 * kib));
  const Job job = resume();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_home_is_as_the_instance();
}

TEST_F(FailbackRollbackTest, AGuestThatIsStillConvertedIsRefusedWhileItsServiceRuns) {
  away();
  site.instance_writes(instance(), 0, 1 * mib, Bytes(256 * kib));  // its file system
  const Job refused = come_home();
  EXPECT_EQ(refused.state, JobState::failed);
  EXPECT_THAT(refused.error, HasSubstr("--as-it-is"));
  EXPECT_FALSE(refused.data.contains("down_since"));
  EXPECT_EQ(instance_state(), InstanceState::running);
  FailbackRequest request;
  request.as_it_is = true;
  const Job job = come_home(request);
  EXPECT_EQ(job.state, JobState::succeeded) << job.error;
}

TEST_F(FailbackRollbackTest, AVmThatLacksADiskIsRefusedBeforeItIsSwitchedOff) {
  away();
  Machine machine = site.machine(id).value();
  machine.disks.pop_back();
  machine.power = PowerState::on;
  site.lose_machine(id);
  site.add_machine(machine);
  const auto found = check_failback({*catalog, site, *this, clock}, catalog->get<DrPlan>("plan").value(), {},
                                    ComeHomeTo::automatic, false);
  EXPECT_EQ(found->light, Light::red);
  const Job job = come_home();
  EXPECT_THAT(job.error, HasSubstr("disk-b is missing"));
  EXPECT_EQ(power(), PowerState::on);
}

TEST_F(FailbackRollbackTest, APassThatFailsWhileAPersonIsAskedDoesNotEndTheWait) {
  away();
  int freezes = 0;
  site.set_fault([&](std::string_view called, bool done) -> Result<> {
    if (called != "freeze_instance" || done) return {};
    ++freezes;
    if (freezes == 2) return error(ErrorCode::permission_denied, "not now");
    const auto jobs = catalog->unfinished_jobs().value();
    const auto asking =
        std::find_if(jobs.begin(), jobs.end(), [](const Job& job) { return job.kind == JobKind::failback; });
    if (freezes == 3) {
      EXPECT_TRUE(catalog->put(Approval{approval_id(asking->id, failback_approval), clock.now()}).ok());
    }
    return {};
  });
  FailbackRequest request;
  request.ask = true;
  const Job job = come_home(request);
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(job.data.contains("waits"));
  expect_home_is_as_the_instance();
}

TEST_F(FailbackRollbackTest, WhereTheLastPassFailedTheServiceIsNotStopped) {
  away();
  int freezes = 0;
  site.set_fault([&](std::string_view called, bool done) -> Result<> {
    if (called != "freeze_instance" || done || ++freezes == 1) return {};
    const auto jobs = catalog->unfinished_jobs().value();
    for (const Job& job : jobs) {
      if (job.kind != JobKind::failback) continue;
      EXPECT_TRUE(catalog->put(Approval{approval_id(job.id, failback_approval), clock.now()}).ok());
    }
    return error(ErrorCode::permission_denied, "not any more");
  });
  FailbackRequest request;
  request.ask = true;
  const Job job = come_home(request);
  site.set_fault({});
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("not any more"));
  EXPECT_FALSE(job.data.contains("down_since"));
  EXPECT_FALSE(job.data.contains("waits"));
  EXPECT_EQ(instance_state(), InstanceState::running);
}

TEST_F(FailbackRollbackTest, ARehearsalSaysNothingOfHowLongAServiceTakes) {
  away();
  const auto plan = catalog->get<DrPlan>("plan").value();
  const auto forecast = [&] {
    return forecast_downtime(*catalog, plan, "web", nlohmann::json::array())->total;
  };
  const auto before = forecast();
  FailbackRequest request;
  request.test = true;
  ASSERT_EQ(come_home(request).state, JobState::succeeded);
  EXPECT_EQ(forecast(), before);
  ASSERT_EQ(come_home().state, JobState::succeeded);
  EXPECT_LT(forecast(), before);
}

}  // namespace
}  // namespace rekindle
