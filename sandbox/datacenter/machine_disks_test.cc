// Disks that a program outside writes while the machine is off.
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "base/process.h"
#include "sandbox/datacenter/machine_fixture.h"

namespace rekindle::sandbox {
namespace {

class MachineDisksTest : public MachineFixture {
 protected:
  void SetUp() override {
    MachineFixture::SetUp();
    ASSERT_TRUE(machine_->set_change_tracking(true).ok());
    const int first = snapshot();
    since_ = change_id(first);
    ASSERT_TRUE(machine_->remove_snapshot(first, false).ok());
  }
  std::filesystem::path socket() const { return folder_.path() / "socket"; }
  Result<> open(int key = 2000, pid_t client = ::getpid()) {
    return machine_->open_disk(key, socket(), client);
  }
  void client_writes(const std::string& command) {
    const auto done =
        run_tool({"qemu-io", "-f", "raw", "-c", command, "nbd+unix:///?socket=" + socket().string()});
    ASSERT_TRUE(done.ok()) << done.error().message();
  }
  Areas changed() const { return machine_->changed_areas(0, 2000, since_).value(); }
  pid_t server() const { return machine_->record().open_disks.at(0).server; }
  bool look_until_closed() {
    for (int i = 0; i < 200 && !machine_->record().open_disks.empty(); ++i) {
      machine_->look_after();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return machine_->record().open_disks.empty();
  }

  std::string since_;
};

TEST_F(MachineDisksTest, RecordsExactlyWhatIsWritten) {
  ASSERT_TRUE(open().ok());
  client_writes("write -P 7 5M 64k");
  client_writes("write -z 20M 64k");
  client_writes("write -P 7 50M 512");
  const pid_t pid = server();
  ASSERT_TRUE(machine_->close_disk(2000).ok());
  EXPECT_EQ(changed(), at({5, 20, 50}));
  EXPECT_EQ(flat_holds(5), 7);
  EXPECT_FALSE(process_lives(pid, "qemu-storage-daemon"));
  EXPECT_FALSE(std::filesystem::exists(socket()));
  EXPECT_EQ(machine_->close_disk(2000).error().code(), ErrorCode::not_found);
  ASSERT_TRUE(machine_->power_on().ok());
}

TEST_F(MachineDisksTest, IsLockedWhileADiskIsOpen) {
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(open().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(machine_->power_on().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(machine_->create_snapshot({"s", "", false}).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(machine_->set_change_tracking(false).error().code(), ErrorCode::unavailable);
  ASSERT_TRUE(machine_->close_disk(2000).ok());
  EXPECT_TRUE(machine_->power_on().ok());
  EXPECT_EQ(open().error().code(), ErrorCode::unavailable) << "it runs";
}

TEST_F(MachineDisksTest, IsNotOpenedUnderASnapshot) {
  snapshot();
  EXPECT_EQ(open().error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(open(2009).error().code(), ErrorCode::not_found);
  EXPECT_TRUE(machine_->record().open_disks.empty());
}

TEST_F(MachineDisksTest, IsClosedWhenItsClientIsGone) {
  const auto client = ChildProcess::start({"sleep", "1000"}).value();
  ASSERT_TRUE(open(2000, client->pid()).ok());
  client_writes("write -P 7 5M 64k");
  machine_->look_after();
  EXPECT_FALSE(machine_->record().open_disks.empty());
  client->end(std::chrono::milliseconds(0));
  ASSERT_TRUE(look_until_closed());
  EXPECT_EQ(changed(), at({5}));
}

TEST_F(MachineDisksTest, AllCountsAsWrittenWhenItsServerDies) {
  ASSERT_TRUE(open().ok());
  client_writes("write -P 7 5M 64k");
  kill_process(server());
  ASSERT_TRUE(look_until_closed());
  EXPECT_EQ(changed(), (Areas{{0, capacity}}));
}

TEST_F(MachineDisksTest, AllCountsAsWrittenWhenTheDatacenterDies) {
  ASSERT_TRUE(open().ok());
  const pid_t pid = server();
  client_writes("write -P 7 5M 64k");
  restart_server();
  EXPECT_FALSE(process_lives(pid, "qemu-storage-daemon")) << "nothing is written past the record";
  EXPECT_TRUE(machine_->record().open_disks.empty());
  EXPECT_EQ(changed(), (Areas{{0, capacity}}));
  EXPECT_TRUE(machine_->power_on().ok());
}

TEST_F(MachineDisksTest, DiesWithTheHost) {
  ASSERT_TRUE(open().ok());
  const pid_t pid = server();
  machine_->kill();
  EXPECT_FALSE(process_lives(pid, "qemu-storage-daemon"));
}

}  // namespace
}  // namespace rekindle::sandbox
