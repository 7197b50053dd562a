// Home is another datacenter than the one that the machine left.
#include <gmock/gmock.h>

#include <algorithm>

#include "recover/failback_check.h"
#include "recover/failback_fixture.h"
#include "recover/left_running.h"

namespace rekindle {
namespace {

// "dc-2" beside the one that the fixture's machines are of, which may be lost.
class TwoDatacenters final : public Sites {
 public:
  TwoDatacenters(MemorySite& first, MemorySite& second) : first_(first), second_(second) {}

  bool first_is_lost = false;
  ErrorCode lost_as = ErrorCode::unavailable;

  Result<SnapshotSource*> datacenter(const std::string& name) override {
    MemorySite* site = TRY(site_of(name));
    return site->datacenter(name);
  }
  Result<RestoreTarget*> restore_target(const std::string& name) override {
    MemorySite* site = TRY(site_of(name));
    return site->restore_target(name);
  }
  Result<RecoveryTarget*> account(const std::string& name) override { return first_.account(name); }
  Result<SnapshotSource*> instances_of(const std::string& name) override { return first_.instances_of(name); }
  Result<GuestScripts*> guest_scripts(const std::string& name) override { return first_.guest_scripts(name); }

 private:
  Result<MemorySite*> site_of(const std::string& name) {
    if (name == "dc-2") return &second_;
    if (first_is_lost) return error(lost_as, "{} does not answer", name);
    return &first_;
  }

  MemorySite& first_;
  MemorySite& second_;
};

class FailbackElsewhereTest : public FailbackTest {
 protected:
  void away() {
    live_in_the_account();
    write_in_the_account();
    auto plan = catalog->get<DrPlan>("plan").value();
    plan.failback.datacenter = "dc-2";
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  Job come_home_elsewhere() {
    const auto back_up = [this](const InstanceBackupRequest& request, std::stop_token stop) {
      JobRunner runner(*catalog, clock, random, observer);
      clock.sleep(std::chrono::milliseconds(2));
      return runner.start(instance_backup_procedure(sites, *this), request.machine, parameters_of(request),
                          std::move(stop));
    };
    return run(failback_procedure({sites, *this, http, back_up}), asked());
  }
  // As 'rekindle serve' does. Whether that is done.
  bool look_for_the_vm_of_before() {
    const auto left = machines_left_running(*catalog, clock.now()).value();
    EXPECT_EQ(left.size(), 1U);
    return !left.empty() && switch_off_left_running(*catalog, sites, left[0], clock.now()).ok();
  }
  void expect_it_lives_elsewhere() {
    ASSERT_TRUE(second.machine(id).ok()) << "the new VM has its id";
    EXPECT_EQ(second.machine(id)->power, PowerState::on);
    EXPECT_TRUE(second.disk_content(id, 0) == stored(newest_point(), "disk-a"));
    EXPECT_TRUE(second.disk_content(id, 1) == site.instance_disk(instance(), 1));
    EXPECT_EQ(instance_state(), InstanceState::stopped);
    EXPECT_EQ(catalog->get<ProtectedMachine>("web")->datacenter, "dc-2");
  }

  MemorySite second;
  TwoDatacenters sites{site, second};
};

TEST_F(FailbackElsewhereTest, TheVmOfBeforeIsSwitchedOffThoughTheNewOneHasItsId) {
  away();
  ASSERT_EQ(site.machine(id)->power, PowerState::on);
  const auto plan = catalog->get<DrPlan>("plan").value();
  const auto found = check_failback({*catalog, sites, *this, clock}, plan, {}, ComeHomeTo::automatic, false);
  EXPECT_TRUE(std::any_of(found->findings.begin(), found->findings.end(), [](const Finding& finding) {
    return finding.topic == "VM of before" && finding.light == Light::yellow;
  }));
  const Job job = come_home_elsewhere();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(site.machine(id)->power, PowerState::off);
  expect_it_lives_elsewhere();
}

TEST_F(FailbackElsewhereTest, ALostDatacenterIsNoReasonToStayAway) {
  away();
  sites.first_is_lost = true;
  const Job job = come_home_elsewhere();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_it_lives_elsewhere();
  EXPECT_THAT(left_running(job), testing::HasSubstr("uuid-1 in dc,"));
  EXPECT_FALSE(look_for_the_vm_of_before());
  EXPECT_TRUE(machines_left_running(*catalog, clock.now())->empty()) << "not again at once";

  sites.first_is_lost = false;  // its host starts what ran there
  ASSERT_EQ(site.machine(id)->power, PowerState::on);
  clock.advance(std::chrono::minutes(6));
  EXPECT_TRUE(look_for_the_vm_of_before());
  EXPECT_EQ(site.machine(id)->power, PowerState::off);
  ASSERT_TRUE(site.power_on(id).ok());  // late
  clock.advance(std::chrono::minutes(6));
  EXPECT_TRUE(look_for_the_vm_of_before());
  EXPECT_EQ(site.machine(id)->power, PowerState::off);
  clock.advance(std::chrono::minutes(30));
  EXPECT_TRUE(look_for_the_vm_of_before());
  clock.advance(std::chrono::minutes(6));
  EXPECT_TRUE(machines_left_running(*catalog, clock.now())->empty()) << "whose it is now is not ours to say";
  EXPECT_EQ(left_running(catalog->job(job.id).value()), "");
  expect_it_lives_elsewhere();
}

TEST_F(FailbackElsewhereTest, TheVmOfADatacenterThatWasRemovedIsForgotten) {
  away();
  sites.first_is_lost = true;
  const Job job = come_home_elsewhere();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  sites.lost_as = ErrorCode::not_found;
  EXPECT_TRUE(look_for_the_vm_of_before());
  EXPECT_EQ(left_running(catalog->job(job.id).value()), "");
}

TEST_F(FailbackElsewhereTest, AMachineThatIsAwayAgainIsNotLookedForWhereItWas) {
  away();
  sites.first_is_lost = true;
  ASSERT_EQ(come_home_elsewhere().state, JobState::succeeded);
  ASSERT_EQ(machines_left_running(*catalog, clock.now())->size(), 1U);
  Failover again = failover();
  again.id = "failover-again";
  again.state = FailoverState::running;
  ASSERT_TRUE(catalog->put(again).ok());
  EXPECT_TRUE(machines_left_running(*catalog, clock.now())->empty());
}

TEST_F(FailbackElsewhereTest, ProtectionGoesOnThereIncrementally) {
  away();
  ASSERT_EQ(come_home_elsewhere().state, JobState::succeeded);
  second.guest_writes(id, 1, 2 * mib, random.bytes(64 * kib));
  const Job job =
      run(backup_procedure(sites, *this), parameters_of(BackupRequest{"dc-2", "vault", "web", id, false}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(newest_point().full);
  EXPECT_EQ(newest_point().datacenter, "dc-2");
  EXPECT_TRUE(stored(newest_point(), "disk-b") == second.disk_content(id, 1));
}

}  // namespace
}  // namespace rekindle
