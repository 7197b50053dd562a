#include <gtest/gtest.h>

#include "jobs/sweep.h"
#include "model/json.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

class BackupTest : public ProtectTest {};

TEST_F(BackupTest, APointHoldsTheDisksAsTheyWereAndTheMachineIsThawed) {
  const Bytes before = site.disk_content(id, 0);
  const Job job = back_up();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  site.guest_writes(id, 0, 0, Bytes(4096, std::byte{1}));
  EXPECT_TRUE(newest_point().full);
  EXPECT_EQ(restored(newest_point(), "disk-a"), before);
  EXPECT_TRUE(all_zero(restored(newest_point(), "disk-b")));
  EXPECT_EQ(site.snapshot_count(), 0U);
  EXPECT_TRUE(catalog->ledger()->empty());
}

TEST_F(BackupTest, TheSecondReadsOnlyWhatChanged) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  scatter(3);
  const std::uint64_t before = site.bytes_read();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_FALSE(newest_point().full);
  EXPECT_LE(site.bytes_read() - before, 3 * 64 * kib);
  EXPECT_EQ(restored(newest_point(), "disk-a"), site.disk_content(id, 0));
}

TEST_F(BackupTest, AManyLinkChainRestoresEveryPoint) {
  std::vector<Bytes> history;
  for (int i = 0; i < 5; ++i) {
    scatter(4);
    history.push_back(site.disk_content(id, 0));
    ASSERT_EQ(back_up().state, JobState::succeeded);
  }
  const auto points = catalog->list<RecoveryPoint>("web").value();
  for (std::size_t i = 0; i < history.size(); ++i) EXPECT_EQ(restored(points[i], "disk-a"), history[i]) << i;
}

TEST_F(BackupTest, ReadsEverythingAfterTrackingWasResetAndForgetsNothing) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  site.guest_writes(id, 0, 0, Bytes(disk_bytes));  // what held data is zeros now
  site.reset_change_tracking(id);
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_TRUE(newest_point().full);
  EXPECT_TRUE(all_zero(restored(newest_point(), "disk-a")));
}

TEST_F(BackupTest, AFailureLeavesNoSnapshotNoPointAndTheNextReadsASuperset) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  scatter(2);
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "open_disk" ? Result<>(error(ErrorCode::not_found, "the machine is gone")) : Result<>();
  });
  const Job failed = back_up();
  EXPECT_EQ(failed.state, JobState::failed);
  EXPECT_NE(failed.error.find("the machine is gone"), std::string::npos);
  EXPECT_EQ(site.snapshot_count(), 0U);
  EXPECT_EQ(catalog->list<RecoveryPoint>("web")->size(), 1U);
  site.set_fault({});
  scatter(1);
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(restored(newest_point(), "disk-a"), site.disk_content(id, 0));
}

TEST_F(BackupTest, ALostAnswerToCreateSnapshotMakesNoSecondOne) {
  int calls = 0;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method == "create_snapshot" && done && ++calls == 1)
      return error(ErrorCode::unavailable, "the answer was lost");
    return {};
  });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(site.snapshot_count(), 0U);
}

TEST_F(BackupTest, RefusesAMachineThatRunsInTheAccount) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  auto machine = catalog->get<ProtectedMachine>("web").value();
  machine.runs_at = RunsAt::account;
  ASSERT_TRUE(catalog->put(machine).ok());
  const Job job = back_up();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_NE(job.error.find("failover clean-up"), std::string::npos);
}

TEST_F(BackupTest, AJobThatFailsAfterTheCommitTakesItsPointBackFromTheVault) {
  const auto parameters = parameters_of(BackupRequest{"dc", "vault", "web", id});
  Job job = catalog->create_job(JobKind::backup, "web", parameters, "record").value();
  ASSERT_TRUE(the_vault->begin_point({RecoveryPointId(id_by_job("point", job.id)), id, {}, {}})
                  .value()
                  ->commit(clock.now(), "")
                  .ok());
  job = catalog->claim_job(job.id, process_owner()).value();
  job.state = JobState::cleaning;
  ASSERT_TRUE(catalog->save_job(job).ok());
  JobRunner runner(*catalog, clock, random, observer);
  EXPECT_EQ(runner.resume(backup_procedure(site, *this), job.id)->state, JobState::failed);
  EXPECT_TRUE(the_vault->list()->empty());
}

// Every call that a backup makes fails once, before and after it took effect: the job ends well or says why,
// and leaves nothing behind.
TEST_F(BackupTest, AnyCallMayFailOrLoseItsAnswer) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  for (const ErrorCode code : {ErrorCode::unavailable, ErrorCode::internal}) {
    for (int fail_at = 0;; ++fail_at) {
      int call = 0;
      site.set_fault([&](std::string_view method, bool) -> Result<> {
        return call++ == fail_at ? Result<>(error(code, "injected into {}", method)) : Result<>();
      });
      scatter(1);
      const Job job = back_up();
      site.set_fault({});
      if (call <= fail_at) break;
      if (job.state != JobState::succeeded) {
        EXPECT_NE(job.error.find("injected"), std::string::npos) << job.error;
      }
      clock.advance(std::chrono::minutes(11));  // what was asked for and is not there yet never comes
      ASSERT_TRUE(sweep_finished_jobs(*catalog, site, clock, "").ok());
      EXPECT_EQ(site.snapshot_count(), 0U) << "call " << fail_at;
      EXPECT_TRUE(catalog->ledger()->empty());
    }
  }
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(restored(newest_point(), "disk-a"), site.disk_content(id, 0));
}

TEST_F(BackupTest, AMachineThatCameHomeToAnotherDatacenterIsBackedUpThere) {
  BackupPolicy policy;
  policy.datacenter = "dc";
  EXPECT_EQ(datacenter_of(*catalog, policy, "web").value(), "dc") << "nobody knows it yet";
  ASSERT_EQ(back_up().state, JobState::succeeded);
  auto machine = catalog->get<ProtectedMachine>("web").value();
  machine.datacenter = "dc-2";
  ASSERT_TRUE(catalog->put(machine).ok());
  EXPECT_EQ(datacenter_of(*catalog, policy, "web").value(), "dc") << "another one of its name";
  Failover failover;
  failover.id = "failover-1";
  failover.machine = "web";
  failover.kind = FailoverKind::production;
  failover.state = FailoverState::returned;
  ASSERT_TRUE(catalog->put(failover).ok());
  EXPECT_EQ(datacenter_of(*catalog, policy, "web").value(), "dc-2");
}

}  // namespace
}  // namespace rekindle
