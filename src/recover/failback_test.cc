#include "recover/failback.h"

#include <gmock/gmock.h>

#include "recover/failback_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

TEST_F(FailbackTest, APointOfTheInstanceIsTheMachineAsVmwareKnowsIt) {
  live_in_the_account();
  write_in_the_account();
  const Job job =
      run(instance_backup_procedure(site, *this), parameters_of(InstanceBackupRequest{"web", failover().id}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const RecoveryPoint point = newest_point();
  EXPECT_EQ(point.account, "account");
  EXPECT_EQ(point.machine.id, id);
  EXPECT_FALSE(job.data.at("undone").at("restored").empty());
  MemoryDisk disk(stored(point, "disk-a"));
  VolumeView view(disk, {{1 * mib, 15 * mib}});
  const auto files = Ext4Volume::open(view).value();
  EXPECT_EQ(files->read_text("/lived-1").value(), "in the account");
  EXPECT_EQ(files->read_text("/etc/fstab").value(), "/dev/sda1 / ext4 errors=remount-ro 0 1\n");
  EXPECT_EQ(files->read_text("/boot/initrd.img-6.1.0-50-amd64").value(), "the guest's own initrd");
  EXPECT_TRUE(stored(point, "disk-b") == site.instance_disk(instance(), 1));
  // Outside what was undone it is the instance's disk, byte for byte.
  const Bytes instance_disk = site.instance_disk(instance());
  for (std::uint64_t index = 0; index * image_block_bytes < disk.size(); ++index) {
    const auto& undone = point.disks[0].undone_blocks;
    if (std::find(undone.begin(), undone.end(), index) != undone.end()) continue;
    EXPECT_TRUE(
        std::equal(disk.content().begin() + static_cast<std::ptrdiff_t>(index * image_block_bytes),
                   disk.content().begin() + static_cast<std::ptrdiff_t>((index + 1) * image_block_bytes),
                   instance_disk.begin() + static_cast<std::ptrdiff_t>(index * image_block_bytes)))
        << index;
  }
}

TEST_F(FailbackTest, TheNextBackupOfAnInstanceReadsOnlyWhatChanged) {
  live_in_the_account();
  const auto parameters = parameters_of(InstanceBackupRequest{"web", failover().id});
  ASSERT_EQ(run(instance_backup_procedure(site, *this), parameters).state, JobState::succeeded);
  site.instance_writes(instance(), 1, 1 * mib, random.bytes(64 * kib));
  const Job job = run(instance_backup_procedure(site, *this), parameters);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const RecoveryPoint point = newest_point();
  EXPECT_TRUE(stored(point, "disk-b") == site.instance_disk(instance(), 1));
  // One block of the data disk, and those in which the conversion is undone each time.
  EXPECT_LE(point.bytes_changed, (1 + point.disks[0].undone_blocks.size()) * image_block_bytes);
  EXPECT_EQ(site.snapshot_count(), 0U);
}

TEST_F(FailbackTest, ALostLineageIsReadWholeAndIsTheSame) {
  live_in_the_account();
  write_in_the_account();
  site.lose_lineage();
  const Job job =
      run(instance_backup_procedure(site, *this), parameters_of(InstanceBackupRequest{"web", failover().id}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(newest_point().bytes_changed, guest_to_convert().size() + data_bytes);
  EXPECT_TRUE(stored(newest_point(), "disk-b") == site.instance_disk(instance(), 1));
}

TEST_F(FailbackTest, ComesHomeIntoTheUntouchedVm) {
  live_in_the_account();
  ASSERT_TRUE(site.power_off(id).ok());
  write_in_the_account();
  const Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(runs_at(), RunsAt::datacenter);
  EXPECT_EQ(site.machine(id)->power, PowerState::on);
  EXPECT_EQ(instance_state(), InstanceState::stopped);
  EXPECT_EQ(file_at_home(id, "/lived-1"), "in the account");
  EXPECT_EQ(file_at_home(id, "/etc/network/interfaces"), "auto ens192\niface ens192 inet dhcp\n");
  EXPECT_TRUE(site.disk_content(id, 1) == site.instance_disk(instance(), 1));
  EXPECT_TRUE(site.disk_content(id, 0) == stored(newest_point(), "disk-a"));
  EXPECT_LT(site.bytes_restored(), 6 * mib) << "only what changed is written";
  EXPECT_EQ(site.snapshot_count(), 0U);
  EXPECT_EQ(failover().state, FailoverState::returned);
  EXPECT_GT(failover().keep_until, clock.now());
}

TEST_F(FailbackTest, AVmThatWasSwitchedOnMeanwhileIsMadeTheSame) {
  live_in_the_account();
  write_in_the_account();
  ASSERT_TRUE(site.power_on(id).ok());
  site.guest_writes(id, 0, 14 * mib, random.bytes(1 * mib));
  site.guest_writes(id, 1, 0, random.bytes(128 * kib));
  const Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(site.disk_content(id, 0) == stored(newest_point(), "disk-a"));
  EXPECT_TRUE(site.disk_content(id, 1) == site.instance_disk(instance(), 1));
  expect_one_home();
}

TEST_F(FailbackTest, AVmOfWhichNothingIsKnownIsComparedAndOnlyDifferencesAreWritten) {
  live_in_the_account();
  ASSERT_TRUE(site.power_off(id).ok());
  site.reset_change_tracking(id);
  write_in_the_account();
  const Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(site.disk_content(id, 0) == stored(newest_point(), "disk-a"));
  EXPECT_TRUE(site.disk_content(id, 1) == site.instance_disk(instance(), 1));
  EXPECT_LT(site.bytes_restored(), 6 * mib);
}

TEST_F(FailbackTest, AVmThatIsGoneIsMadeAnewUnderItsIds) {
  live_in_the_account();
  write_in_the_account();
  site.lose_machine(id);
  const Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  ASSERT_TRUE(site.machine(id).ok());
  EXPECT_EQ(site.machine(id)->nics.at(0).mac_address, "00:50:56:00:00:01");
  EXPECT_TRUE(site.disk_content(id, 0) == stored(newest_point(), "disk-a"));
  EXPECT_TRUE(site.disk_content(id, 1) == site.instance_disk(instance(), 1));
  EXPECT_EQ(catalog->ledger_entry("rekindle-" + job.id.str() + "-machine")->in_use_by, "machine:web");
}

TEST_F(FailbackTest, BothVmsAreKeptWhenANewOneIsAskedFor) {
  live_in_the_account();
  write_in_the_account();
  FailbackRequest request;
  request.to = ComeHomeTo::fresh;
  const Job job = come_home(request);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const MachineId home(job.data.at("machine_id").get<std::string>());
  EXPECT_NE(home, id);
  EXPECT_EQ(site.machine(home)->name, "web-came-home");
  EXPECT_TRUE(site.disk_content(home, 1) == site.instance_disk(instance(), 1));
  EXPECT_TRUE(site.disk_content(id, 0) == left_as[0]) << "the old one is as it was";
  EXPECT_EQ(catalog->get<ProtectedMachine>("web")->id, home);
}

TEST_F(FailbackTest, ProtectionGoesOnIncrementally) {
  live_in_the_account();
  write_in_the_account();
  ASSERT_EQ(come_home().state, JobState::succeeded);
  site.guest_writes(id, 1, 2 * mib, random.bytes(64 * kib));
  const std::uint64_t before = site.bytes_read();
  const Job job = back_up();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(newest_point().full);
  EXPECT_LT(site.bytes_read() - before, 6 * mib);
  EXPECT_TRUE(stored(newest_point(), "disk-a") == site.disk_content(id, 0));
  EXPECT_TRUE(stored(newest_point(), "disk-b") == site.disk_content(id, 1));
  const Job copied = replicate();
  ASSERT_EQ(copied.state, JobState::succeeded) << copied.error;
  EXPECT_EQ(catalog->list<DrCopy>("web")->back().recovery_point_id, newest_point().id);
}

TEST_F(FailbackTest, ARehearsalLeavesTheInstanceAndTheOldVmAlone) {
  live_in_the_account();
  write_in_the_account();
  FailbackRequest request;
  request.test = true;
  const Job job = come_home(request);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const MachineId home(job.data.at("machine_id").get<std::string>());
  EXPECT_EQ(site.machine(home)->nics.at(0).network, "isolated");
  EXPECT_NE(site.machine(home)->nics.at(0).mac_address, "00:50:56:00:00:01");
  EXPECT_EQ(file_at_home(home, "/lived-1"), "in the account");
  EXPECT_EQ(instance_state(), InstanceState::running);
  EXPECT_EQ(runs_at(), RunsAt::account);
  EXPECT_TRUE(site.disk_content(id, 0) == left_as[0]);
}

TEST_F(FailbackTest, WithoutATestNetworkThereIsNoRehearsal) {
  live_in_the_account();
  auto plan = catalog->get<DrPlan>("plan").value();
  plan.failback.test_network.clear();
  ASSERT_TRUE(catalog->put(plan).ok());
  FailbackRequest request;
  request.test = true;
  EXPECT_THAT(come_home(request).error, HasSubstr("set failback.test_network"));
}

TEST_F(FailbackTest, AServiceThatDoesNotAnswerAtHomeGoesOnInTheAccount) {
  live_in_the_account();
  write_in_the_account();
  http.answer = [](const HttpRequest&) { return HttpResponse::text(500, "text/plain", ""); };
  const Job job = come_home();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("did not answer"));
  EXPECT_EQ(instance_state(), InstanceState::running);
  EXPECT_EQ(site.machine(id)->power, PowerState::off);
  EXPECT_EQ(runs_at(), RunsAt::account);
  EXPECT_EQ(failover().state, FailoverState::running);
  EXPECT_EQ(site.snapshot_count(), 0U);
}

TEST_F(FailbackTest, AVmWithSnapshotsIsRefusedWithTheWayOut) {
  live_in_the_account();
  ASSERT_TRUE(site.create_snapshot(id, "before the upgrade").ok());
  const Job job = come_home();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("has a snapshot ('before the upgrade')"));
  EXPECT_EQ(instance_state(), InstanceState::running);
}

// Of each call the first fails for good, or is lost before or after it took effect (one of these a run: the
// seed is printed); then the button is pressed again.
TEST_F(FailbackTest, EveryCallMayFailOrBeLost) {
  std::map<std::string, int> calls;
  live_in_the_account();
  write_in_the_account();
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (!done) ++calls[std::string(method)];
    return {};
  });
  ASSERT_EQ(come_home().state, JobState::succeeded);
  site.set_fault({});
  ASSERT_GT(calls.size(), 10U);
  const std::uint64_t seed = random.below(1000000);
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom seeded(seed);
  for (const auto& [method, count] : calls) {
    const std::uint64_t way = seeded.below(3);
    SCOPED_TRACE(method + (way == 0 ? " is refused" : way == 1 ? " is lost before" : " is lost after"));
    // Away again.
    ASSERT_EQ(back_up().state, JobState::succeeded);
    ASSERT_EQ(replicate().state, JobState::succeeded);
    ASSERT_TRUE(site.power_off(id).ok());
    const Job away = fail_over();
    ASSERT_EQ(away.state, JobState::succeeded) << away.error;
    write_in_the_account();
    bool hit = false;
    site.set_fault([&](std::string_view called, bool is_done) -> Result<> {
      if (hit || called != method || is_done != (way == 2)) return {};
      hit = true;
      return error(way == 0 ? ErrorCode::permission_denied : ErrorCode::unavailable, "the call was lost");
    });
    Job job = come_home();
    site.set_fault({});
    if (job.state != JobState::succeeded) {
      EXPECT_EQ(instance_state(), InstanceState::running) << job.error;
      EXPECT_EQ(site.machine(id)->power, PowerState::off);
      EXPECT_EQ(runs_at(), RunsAt::account);
      job = come_home();
    }
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
    expect_one_home();
    EXPECT_TRUE(site.disk_content(id, 0) == stored(newest_point(), "disk-a"));
    EXPECT_TRUE(site.disk_content(id, 1) == site.instance_disk(instance(), 1));
    EXPECT_EQ(site.snapshot_count(), 0U);
  }
}

}  // namespace
}  // namespace rekindle
