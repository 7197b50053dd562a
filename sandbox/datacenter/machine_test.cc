#include "sandbox/datacenter/machine.h"

#include <algorithm>
#include <thread>

#include "base/process.h"
#include "sandbox/datacenter/disk_images.h"
#include "sandbox/datacenter/machine_fixture.h"

namespace rekindle::sandbox {
namespace {

class MachineTest : public MachineFixture {
 protected:
  Areas changed(int snapshot, const std::string& since, int unit = 0) {
    const auto areas = machine_->changed_areas(snapshot, 2000 + unit, since);
    EXPECT_TRUE(areas.ok()) << areas.error().message();
    return areas.ok() ? *areas : Areas{};
  }
  void track() {
    ASSERT_TRUE(machine_->set_change_tracking(true).ok());
    ASSERT_TRUE(machine_->power_on().ok());
  }
  void remove(int snapshot) {
    const auto removed = machine_->remove_snapshot(snapshot, false);
    ASSERT_TRUE(removed.ok()) << removed.error().message();
  }
  void expect_status(const std::string& status) {
    EXPECT_EQ(machine_->monitor("info status").value(), "VM status: " + status + "\r\n");
  }
};

TEST_F(MachineTest, FreezesWhatWasWrittenBeforeTheSnapshot) {
  ASSERT_TRUE(machine_->power_on().ok());
  guest_writes(0x11, 1);
  const int frozen = snapshot();
  guest_writes(0x22, 1);
  guest_writes(0x22, 5, 1);
  EXPECT_EQ(flat_holds(1), 0x11);
  EXPECT_EQ(flat_holds(5, 1), 0);
  remove(frozen);
  EXPECT_EQ(flat_holds(1), 0x22);
  EXPECT_EQ(flat_holds(5, 1), 0x22);
  EXPECT_TRUE(machine_->record().deltas.empty());
  EXPECT_FALSE(machine_->record().consolidation_needed);
}

TEST_F(MachineTest, AnswersWithExactlyTheBlocksWrittenBetweenTwoSnapshots) {
  track();
  guest_writes(0x11, 1);
  guest_writes(0x11, 10);
  const int first = snapshot();
  const std::string since_first = change_id(first);
  guest_writes(0x22, 5);
  guest_writes(0x22, 20);
  guest_writes(0x33, 7, 1);
  remove(first);
  guest_writes(0x33, 50);
  const int second = snapshot();
  const std::string since_second = change_id(second);
  guest_writes(0x44, 60);
  EXPECT_EQ(changed(second, since_first), at({5, 20, 50}));
  EXPECT_EQ(changed(second, since_second), Areas{});
  remove(second);
  const int third = snapshot();
  EXPECT_EQ(changed(third, since_second), at({60}));
  EXPECT_EQ(changed(third, since_first), at({5, 20, 50, 60}));
}

TEST_F(MachineTest, TracksEveryDiskByItself) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first, 1);
  guest_writes(0x22, 5, 0);
  guest_writes(0x33, 7, 1);
  remove(first);
  EXPECT_EQ(changed(snapshot(), since, 1), at({7}));
}

TEST_F(MachineTest, KeepsSnapshotsOnSnapshotsApart) {
  track();
  const int users = snapshot("users");
  guest_writes(0x22, 3);
  const int ours = snapshot("ours");
  guest_writes(0x33, 4);
  remove(users);
  EXPECT_EQ(flat_holds(3), 0x22) << "the delta between the two is merged";
  EXPECT_EQ(flat_holds(4), 0) << "what came after ours is not";
  const std::string since_ours = change_id(ours);
  remove(ours);
  EXPECT_EQ(flat_holds(4), 0x33);
  const int next = snapshot();
  EXPECT_EQ(changed(next, since_ours), at({4}));
}

TEST_F(MachineTest, RemovesAllSnapshotsAtOnce) {
  track();
  snapshot("a");
  guest_writes(0x22, 3);
  snapshot("b");
  guest_writes(0x33, 4);
  ASSERT_TRUE(machine_->remove_all_snapshots().ok());
  EXPECT_EQ(flat_holds(3), 0x22);
  EXPECT_EQ(flat_holds(4), 0x33);
  EXPECT_TRUE(machine_->record().snapshots.empty());
}

TEST_F(MachineTest, TracksAcrossPowerOffAndOn) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first);
  guest_writes(0x22, 5);
  ASSERT_TRUE(machine_->power_off().ok());
  EXPECT_EQ(machine_->record().power, PowerState::off);
  EXPECT_EQ(machine_->changed_areas(0, 2000, since).value(), at({5}));
  ASSERT_TRUE(machine_->power_on().ok());
  guest_writes(0x22, 6);
  const int second = snapshot();
  EXPECT_EQ(changed(second, since), at({5, 6}));
}

TEST_F(MachineTest, MakesAndRemovesSnapshotsWhileItIsOff) {
  track();
  guest_writes(0x11, 1);
  ASSERT_TRUE(machine_->power_off().ok());
  const int first = snapshot();
  const std::string since = change_id(first);
  EXPECT_FALSE(since.empty());
  ASSERT_TRUE(machine_->power_on().ok());
  guest_writes(0x22, 2);
  ASSERT_TRUE(machine_->power_off().ok());
  EXPECT_EQ(flat_holds(2), 0);
  remove(first);
  EXPECT_EQ(flat_holds(1), 0x11);
  EXPECT_EQ(flat_holds(2), 0x22);
  EXPECT_EQ(changed(snapshot(), since), at({2}));
}

TEST_F(MachineTest, HasNoChangeIdBeforeAStun) {
  ASSERT_TRUE(machine_->power_on().ok());
  ASSERT_TRUE(machine_->set_change_tracking(true).ok());
  EXPECT_EQ(machine_->record().disks[0].tracking.change_id(), "");
  const int stun = snapshot();
  const std::string since = change_id(stun);
  EXPECT_NE(since, "");
  guest_writes(0x22, 2);
  remove(stun);
  EXPECT_EQ(changed(snapshot(), since), at({2}));
}

TEST_F(MachineTest, ForgetsChangeIdsWhenTrackingWasToggled) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first);
  remove(first);
  ASSERT_TRUE(machine_->set_change_tracking(false).ok());
  ASSERT_TRUE(machine_->set_change_tracking(true).ok());
  const auto unknown = machine_->changed_areas(snapshot(), 2000, since);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::failed_precondition);
}

TEST_F(MachineTest, ForgetsChangeIdsInACrash) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first);
  remove(first);
  machine_->kill();
  machine_->look_after();
  EXPECT_EQ(machine_->record().power, PowerState::off);
  const auto unknown = machine_->changed_areas(snapshot(), 2000, since);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::failed_precondition);
}

TEST_F(MachineTest, AnswersForWhatIsInUse) {
  track();
  guest_writes(0x11, 9);
  snapshot("below");
  guest_writes(0x22, 12);
  const int frozen = snapshot();
  guest_writes(0x33, 15);
  const Areas in_use = changed(frozen, "*");
  EXPECT_EQ(united(in_use, at({9, 12})), in_use);
  EXPECT_NE(united(in_use, at({15})), in_use);
}

TEST_F(MachineTest, RefusesQuestionsThatHaveNoAnswer) {
  track();
  const int frozen = snapshot();
  EXPECT_EQ(machine_->changed_areas(frozen, 2000, "nonsense").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(machine_->changed_areas(frozen, 2007, "*").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(machine_->changed_areas(77, 2000, "*").error().code(), ErrorCode::not_found);
  EXPECT_EQ(machine_->changed_areas(0, 2000, "*").error().code(), ErrorCode::failed_precondition);
}

TEST_F(MachineTest, LosesNothingWhenTheServerRestarts) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first);
  guest_writes(0x22, 5);
  const pid_t before = machine_->record().pid;
  restart_server();
  EXPECT_EQ(machine_->record().pid, before);
  guest_writes(0x22, 6);
  remove(first);
  EXPECT_EQ(flat_holds(5), 0x22);
  EXPECT_EQ(changed(snapshot(), since), at({5, 6}));
}

TEST_F(MachineTest, GoesOnAfterTheStunOfASnapshot) {
  machine_ = make(1, true);
  track();
  expect_status("running");
  const int frozen = snapshot();
  expect_status("running");
  remove(frozen);
  expect_status("running");
}

TEST_F(MachineTest, GoesOnWhenAServerDiedDuringAStun) {
  machine_ = make(1, true);
  track();
  ASSERT_TRUE(machine_->monitor("stop").ok());
  restart_server();
  expect_status("running");
}

TEST_F(MachineTest, FindsThatItCrashedWhileNoServerRan) {
  track();
  machine_->kill();
  restart_server();
  EXPECT_EQ(machine_->record().power, PowerState::off);
  EXPECT_TRUE(machine_->power_on().ok());
}

TEST_F(MachineTest, LeavesADeltaWhenAMergeFailsAndConsolidatesItLater) {
  track();
  const int first = snapshot();
  guest_writes(0x22, 5);
  const auto removed = machine_->remove_snapshot(first, false, Machine::Merge::fail);
  ASSERT_FALSE(removed.ok());
  EXPECT_TRUE(machine_->record().snapshots.empty());
  EXPECT_TRUE(machine_->record().consolidation_needed);
  EXPECT_EQ(flat_holds(5), 0);
  ASSERT_TRUE(machine_->consolidate().ok());
  EXPECT_FALSE(machine_->record().consolidation_needed);
  EXPECT_EQ(flat_holds(5), 0x22);
}

TEST_F(MachineTest, KeepsMemoryAndTrackingOverSuspension) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first);
  guest_writes(0x22, 5);
  ASSERT_TRUE(machine_->suspend().ok());
  EXPECT_EQ(machine_->record().power, PowerState::suspended);
  EXPECT_TRUE(std::filesystem::exists(machine_->places().memory()));
  const auto resumed = machine_->power_on();
  ASSERT_TRUE(resumed.ok()) << resumed.error().message();
  EXPECT_FALSE(std::filesystem::exists(machine_->places().memory()));
  guest_writes(0x22, 6);
  EXPECT_EQ(changed(snapshot(), since), at({5, 6}));
}

TEST_F(MachineTest, GoesOnWhenItsMemoryCannotBeSaved) {
  track();
  const int first = snapshot();
  const std::string since = change_id(first);
  guest_writes(0x22, 5);
  ASSERT_TRUE(make_directories(machine_->places().memory()).ok()) << "a folder where the file should be";
  ASSERT_FALSE(machine_->suspend().ok());
  EXPECT_EQ(machine_->record().power, PowerState::on);
  guest_writes(0x22, 6);
  EXPECT_EQ(changed(snapshot(), since), at({5, 6}));
}

TEST_F(MachineTest, SaysWhyQemuDoesNotStart) {
  std::filesystem::remove(machine_->places().flat(machine_->record(), 0));
  const auto started = machine_->power_on();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message().find("-flat.vmdk"), std::string::npos) << started.error().message();
  EXPECT_EQ(machine_->record().power, PowerState::off);
}

TEST_F(MachineTest, RefusesWhatItsPowerStateDoesNotAllow) {
  EXPECT_EQ(machine_->power_off().error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(machine_->suspend().error().code(), ErrorCode::failed_precondition);
  ASSERT_TRUE(machine_->power_on().ok());
  EXPECT_EQ(machine_->power_on().error().code(), ErrorCode::failed_precondition);
}

TEST_F(MachineTest, IsAVmdkThatQemuReads) {
  ASSERT_TRUE(machine_->power_on().ok());
  guest_writes(0x11, 1);
  ASSERT_TRUE(machine_->power_off().ok());
  const auto home = machine_->places().home(machine_->record());
  const auto compared = run_process({"qemu-img", "compare", "-f", "vmdk", "-F", "raw",
                                     (home / "web.vmdk").string(), (home / "web-flat.vmdk").string()});
  EXPECT_EQ(compared->exit_status, 0) << compared->err;
}

}  // namespace
}  // namespace rekindle::sandbox
