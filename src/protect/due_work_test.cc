#include "protect/due_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protect/copy_damage.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

// The catalog's clock is the one that jobs are dated by, so that this one owns both.
class DueWorkTest : public ProtectTest {
 protected:
  DueWorkTest() {
    catalog = Catalog::open(directory.path() / "dated.db", clock).value();
    BackupPolicy policy;
    policy.name = "policy";
    policy.datacenter = "dc";
    policy.vault = "vault";
    policy.machines = {"web"};
    policy.schedule = parse_schedule("hourly").value();
    EXPECT_TRUE(catalog->put(policy).ok());
    plan_says("after-backup");
  }

  void plan_says(const char* schedule) {
    DrPlan plan;
    plan.name = "plan";
    plan.account = "account";
    plan.machines = {{"web", {}, {}}};
    plan.replicate = parse_schedule(schedule).value();
    ASSERT_TRUE(catalog->put(plan).ok());
  }

  // The job "job-of-ID" launched its instance.
  void put_failover_with_instance(Failover failover) {
    failover.job_id = JobId("job-of-" + failover.id);
    ASSERT_TRUE(catalog->put(failover).ok());
    LedgerEntry instance;
    instance.token = "instance-of-" + failover.id;
    instance.kind = ResourceKind::instance;
    instance.site = "account";
    instance.job_id = failover.job_id;
    ASSERT_TRUE(catalog->intend(instance).ok());
    ASSERT_TRUE(catalog->mark_exists(instance.token, "i-of-" + failover.id).ok());
  }

  // As its job records it before the instance is terminated.
  void release(const char* failover) {
    auto released = catalog->get<Failover>(failover).value();
    released.state = FailoverState::released;
    ASSERT_TRUE(catalog->put(released).ok());
  }

  void a_clean_up_ends(const char* failover, JobState state) {
    const Job made =
        catalog->create_job(JobKind::failover_cleanup, "web", {{"failover_id", failover}}, "release").value();
    Job job = catalog->claim_job(made.id, "somebody").value();
    job.state = state;
    ASSERT_TRUE(catalog->save_job(job).ok());
  }

  std::vector<DueWork> due() { return due_work(*catalog, clock.now()).value(); }

  const DueWork backup{JobKind::backup, "policy", "web"};
  const DueWork replication{JobKind::replicate, "plan", "web"};
};

TEST_F(DueWorkTest, ABackupIsDueOnceInEachPeriodAndCatchesUpOnce) {
  EXPECT_THAT(due(), ElementsAre(backup));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_THAT(due(), IsEmpty());
  clock.advance(hours(1));
  EXPECT_THAT(due(), ElementsAre(backup));
  clock.advance(hours(50));  // an outage
  EXPECT_THAT(due(), ElementsAre(backup));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_THAT(due(), ElementsAre(replication));
}

TEST_F(DueWorkTest, ReplicationFollowsItsOwnTimes) {
  plan_says("every 4h");
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_THAT(due(), ElementsAre(replication));
  ASSERT_EQ(replicate().state, JobState::succeeded);
  // Right after a slot of the plan, so that the next is hours away.
  const auto slot = *last_slot(parse_schedule("every 4h").value(), clock.now());
  clock.advance(slot + hours(4) + minutes(1) - clock.now());
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  clock.advance(hours(2));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_THAT(due(), IsEmpty()) << "there is a newer point, but its time has not come";
  clock.advance(hours(2));
  EXPECT_THAT(due(), ElementsAre(backup, replication));
}

TEST_F(DueWorkTest, NothingNewIsNoReasonToReplicate) {
  plan_says("every 1m");
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  clock.advance(minutes(3));
  EXPECT_THAT(due(), testing::Not(testing::Contains(replication)));
}

TEST_F(DueWorkTest, ADamagedCopyIsReasonEnough) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_THAT(due(), Not(Contains(replication)));
  ASSERT_TRUE(record_damage(*catalog, copies().at(0).id, {{DiskId("disk-b"), 1, 1, clock.now()}}).ok());
  EXPECT_THAT(due(), Contains(replication));
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_THAT(due(), Not(Contains(replication)));
}

TEST_F(DueWorkTest, WhatFailedIsTriedAgainAfterFiveMinutes) {
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "create_snapshot" ? Result<>(error(ErrorCode::permission_denied, "no")) : Result<>();
  });
  ASSERT_EQ(back_up().state, JobState::failed);
  EXPECT_THAT(due(), IsEmpty());
  clock.advance(minutes(6));
  EXPECT_THAT(due(), ElementsAre(backup));
}

TEST_F(DueWorkTest, AMachineThatTheAccountRunsIsBackedUpThereAndNotReplicated) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  auto machine = catalog->get<ProtectedMachine>("web").value();
  machine.runs_at = RunsAt::account;
  ASSERT_TRUE(catalog->put(machine).ok());
  clock.advance(hours(3));
  EXPECT_THAT(due(), ElementsAre(backup));
  // One of the instance was made since.
  const Job made =
      catalog->create_job(JobKind::instance_backup, "web", {{"machine", "web"}}, "prepare").value();
  Job job = catalog->claim_job(made.id, "somebody").value();
  job.state = JobState::succeeded;
  ASSERT_TRUE(catalog->save_job(job).ok());
  EXPECT_THAT(due(), IsEmpty());
}

TEST_F(DueWorkTest, AnInstanceWhoseMachineCameHomeGoesWhenItsTimeIsOver) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  Failover failover;
  failover.id = "failover-1";
  failover.machine = "web";
  failover.state = FailoverState::returned;
  failover.keep_until = clock.now() + minutes(10);
  ASSERT_TRUE(catalog->put(failover).ok());
  const DueWork removal{JobKind::failover_cleanup, "failover-1", "web"};
  EXPECT_THAT(due(), Not(Contains(removal)));
  clock.advance(minutes(11));
  EXPECT_THAT(due(), Contains(removal));
}

TEST_F(DueWorkTest, ATestThatExpiredIsEndedOnce) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  Failover test;
  test.id = "failover-1";
  test.machine = "web";
  test.kind = FailoverKind::test;
  test.expires = clock.now() + hours(8);
  ASSERT_TRUE(catalog->put(test).ok());
  Failover forgotten = test;
  forgotten.id = "failover-2";
  forgotten.expires = Time();
  ASSERT_TRUE(catalog->put(forgotten).ok());
  const DueWork removal{JobKind::failover_cleanup, "failover-1", "web"};
  const DueWork of_forgotten{JobKind::failover_cleanup, "failover-2", "web"};
  clock.advance(hours(8) - minutes(1));
  EXPECT_THAT(due(), Not(Contains(removal)));
  clock.advance(minutes(1));
  EXPECT_THAT(due(), Contains(removal));
  EXPECT_THAT(due(), Not(Contains(of_forgotten))) << "nobody said when";
  // The catalog is read anew, as after a restart.
  catalog = Catalog::open(directory.path() / "dated.db", clock).value();
  EXPECT_THAT(due(), Contains(removal));
  ASSERT_TRUE(
      catalog->create_job(JobKind::failover_cleanup, "web", {{"failover_id", "failover-1"}}, "release").ok());
  EXPECT_THAT(due(), Not(Contains(removal))) << "it is being ended";
}

TEST_F(DueWorkTest, ATestWhoseInstanceCouldNotBeTerminatedIsEndedUntilItIsGone) {
  Failover test;
  test.id = "failover-1";
  test.machine = "web";
  test.kind = FailoverKind::test;
  test.expires = clock.now() + hours(8);
  put_failover_with_instance(test);
  const DueWork removal{JobKind::failover_cleanup, "failover-1", "web"};
  release("failover-1");  // by a person, before its time
  EXPECT_THAT(due(), Not(Contains(removal)));
  clock.advance(hours(8));
  EXPECT_THAT(due(), Contains(removal));
  a_clean_up_ends("failover-1", JobState::failed);
  EXPECT_THAT(due(), Not(Contains(removal))) << "a moment ago";
  clock.advance(minutes(5));
  EXPECT_THAT(due(), Contains(removal));
  // It found nothing to terminate, and what may still appear is in the ledger.
  a_clean_up_ends("failover-1", JobState::succeeded);
  EXPECT_THAT(due(), Not(Contains(removal)));
  clock.advance(minutes(5));
  EXPECT_THAT(due(), Contains(removal));
  ASSERT_TRUE(catalog->mark_released("instance-of-failover-1").ok());
  EXPECT_THAT(due(), Not(Contains(removal))) << "it is gone";
}

TEST_F(DueWorkTest, ATestThatNeverExpiresIsLeftToWhoEndsIt) {
  Failover test;
  test.id = "failover-1";
  test.machine = "web";
  test.kind = FailoverKind::test;
  put_failover_with_instance(test);
  release("failover-1");
  clock.advance(hours(100));
  EXPECT_THAT(due(), Not(Contains(DueWork{JobKind::failover_cleanup, "failover-1", "web"})));
}

TEST_F(DueWorkTest, AKeptInstanceThatCouldNotBeTerminatedIsTriedAgain) {
  Failover failover;
  failover.id = "failover-1";
  failover.machine = "web";
  failover.state = FailoverState::returned;
  failover.keep_until = clock.now() + minutes(10);
  put_failover_with_instance(failover);
  release("failover-1");
  const DueWork removal{JobKind::failover_cleanup, "failover-1", "web"};
  EXPECT_THAT(due(), Not(Contains(removal)));
  clock.advance(minutes(10));
  EXPECT_THAT(due(), Contains(removal));
  ASSERT_TRUE(catalog->mark_released("instance-of-failover-1").ok());
  EXPECT_THAT(due(), Not(Contains(removal)));
}

TEST_F(DueWorkTest, RemovalsComeBeforeAReplicationThatIsAlwaysDue) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  Failover test;
  test.id = "failover-1";
  test.machine = "web";
  test.kind = FailoverKind::test;
  test.expires = clock.now();
  ASSERT_TRUE(catalog->put(test).ok());
  const DueWork removal{JobKind::failover_cleanup, "failover-1", "web"};
  EXPECT_THAT(due(), ElementsAre(removal, replication));
}

TEST_F(DueWorkTest, AJobUnderWayIsNotStartedTwice) {
  ASSERT_TRUE(catalog->create_job(JobKind::backup, "web", nlohmann::json::object(), "prepare").ok());
  EXPECT_THAT(due(), IsEmpty());
}

TEST_F(DueWorkTest, EveryVaultAndEveryPlanHasItsOwnTimes) {
  auto second = catalog->get<BackupPolicy>("policy").value();
  second.name = "second";
  second.vault = "vault-2";
  ASSERT_TRUE(catalog->put(second).ok());
  auto plan = catalog->get<DrPlan>("plan").value();
  plan.name = "plan-2";
  ASSERT_TRUE(catalog->put(plan).ok());
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const DueWork second_backup{JobKind::backup, "second", "web"};
  const DueWork second_replication{JobKind::replicate, "plan-2", "web"};
  EXPECT_THAT(due(), ElementsAre(second_backup, replication, second_replication));
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_THAT(due(), ElementsAre(second_backup, second_replication));
}

TEST_F(DueWorkTest, ACopyThatThePlanWantsOtherwiseIsDue) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_THAT(due(), IsEmpty());
  auto plan = catalog->get<DrPlan>("plan").value();
  plan.convert = ConvertWhen::at_failover;
  ASSERT_TRUE(catalog->put(plan).ok());
  EXPECT_THAT(due(), ElementsAre(replication));
}

TEST_F(DueWorkTest, ManyJobsOfAnotherKindDoNotHideTheLastOfThisOne) {
  plan_says("daily 02:30");
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  for (int i = 0; i < 25; ++i) {
    scatter(1);
    ASSERT_EQ(back_up().state, JobState::succeeded);
  }
  EXPECT_THAT(due(), Not(Contains(replication))) << "its time of today is over, done";
  clock.advance(hours(24));
  EXPECT_THAT(due(), Contains(replication));
}

TEST_F(DueWorkTest, AVaultThatFailsDoesNotHideTheBackupIntoAnother) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  for (int i = 0; i < 25; ++i) {
    Job job =
        catalog->create_job(JobKind::backup, "web", {{"machine", "web"}, {"vault", "down"}}, "read").value();
    job = catalog->claim_job(job.id, "somebody").value();
    job.state = JobState::failed;
    ASSERT_TRUE(catalog->save_job(job).ok());
  }
  EXPECT_THAT(due(), Not(Contains(backup)));
}

class WindowTest : public DueWorkTest {
 protected:
  WindowTest() {
    auto policy = catalog->get<BackupPolicy>("policy").value();
    policy.schedule = parse_schedule("every 15m 22:00-06:00").value();
    EXPECT_TRUE(catalog->put(policy).ok());
  }
  // Of a day that comes.
  void it_is(hours hour, minutes minute) {
    const auto day = std::chrono::floor<std::chrono::days>(clock.now()) + std::chrono::days(1);
    clock.advance(day + hour + minute - clock.now());
  }
};

TEST_F(WindowTest, WhatWasMissedInTheWindowIsNotCaughtUpWithOutsideIt) {
  it_is(hours(10), minutes(0));
  EXPECT_THAT(due(), Not(Contains(backup)));
  it_is(hours(22), minutes(1));
  EXPECT_THAT(due(), Contains(backup));
  it_is(hours(5), minutes(59));
  EXPECT_THAT(due(), Contains(backup));
}

TEST_F(WindowTest, WhatFailedAtItsEndWaitsForTheNext) {
  it_is(hours(5), minutes(45));
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "create_snapshot" ? Result<>(error(ErrorCode::permission_denied, "no")) : Result<>();
  });
  ASSERT_EQ(back_up().state, JobState::failed);
  clock.advance(minutes(6));
  EXPECT_THAT(due(), Contains(backup));
  clock.advance(minutes(10));
  EXPECT_THAT(due(), Not(Contains(backup)));
}

TEST_F(WindowTest, ADailyBackupThatWasMissedWaitsUntilTheWindowOpensAgain) {
  auto policy = catalog->get<BackupPolicy>("policy").value();
  policy.schedule = parse_schedule("daily 23:00 22:00-06:00").value();
  ASSERT_TRUE(catalog->put(policy).ok());
  it_is(hours(10), minutes(0));
  EXPECT_THAT(due(), Not(Contains(backup)));
  it_is(hours(22), minutes(0));
  EXPECT_THAT(due(), Contains(backup));
  it_is(hours(5), minutes(59));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  clock.advance(minutes(10));
  EXPECT_THAT(due(), Not(Contains(backup)));
  clock.advance(hours(16));
  EXPECT_THAT(due(), Not(Contains(backup))) << "it is open, and its time has not come";
  clock.advance(hours(1));
  EXPECT_THAT(due(), Contains(backup));
}

TEST_F(WindowTest, HoldsForReplicationToo) {
  plan_says("every 1h 01:00-02:00");
  ASSERT_EQ(back_up().state, JobState::succeeded);
  it_is(hours(3), minutes(0));
  EXPECT_THAT(due(), Not(Contains(replication)));
  it_is(hours(1), minutes(30));
  EXPECT_THAT(due(), Contains(replication));
}

TEST_F(DueWorkTest, AMachineThatIsComingHomeIsBackedUpByItsFailbackOnly) {
  ASSERT_TRUE(catalog->create_job(JobKind::failback, "web", {{"machine", "web"}}, "check").ok());
  EXPECT_THAT(due(), IsEmpty());
}

TEST_F(DueWorkTest, ManualIsNeverDue) {
  plan_says("manual");
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_THAT(due(), IsEmpty());
}

}  // namespace
}  // namespace rekindle
