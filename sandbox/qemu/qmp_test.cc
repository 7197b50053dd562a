#include "sandbox/qemu/qmp.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"
#include "sandbox/qemu/accelerator.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

class QmpTest : public testing::Test {
 protected:
  // A machine without disks that waits for its first instruction.
  void SetUp() override {
    socket_ = folder_.path() / "qmp";
    pid_ = start_daemon({"qemu-system-x86_64", "-S", "-nodefaults", "-display", "none", "-m", "16", "-qmp",
                         "unix:" + socket_.string() + ",server=on,wait=off"},
                        {folder_.path() / "log"})
               .value();
  }
  void TearDown() override { kill_process(pid_); }

  TemporaryDirectory folder_ = TemporaryDirectory::make().value();
  std::filesystem::path socket_;
  pid_t pid_ = 0;
};

TEST_F(QmpTest, AnswersACommand) {
  auto qmp = Qmp::connect(socket_).value();
  EXPECT_EQ((*qmp->execute("query-status"))["status"], "prelaunch");
}

TEST_F(QmpTest, QuotesWhatQemuSaysOfABadCommand) {
  auto qmp = Qmp::connect(socket_).value();
  const auto refused = qmp->execute("blockdev-del", {{"node-name", "none"}});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("QEMU refuses blockdev-del"), std::string::npos);
  EXPECT_NE(refused.error().message().find("GenericError"), std::string::npos);
  EXPECT_TRUE(qmp->execute("query-status").ok()) << "the connection is still good";
}

TEST_F(QmpTest, KeepsEventsThatCameBeforeTheyWereAskedFor) {
  auto qmp = Qmp::connect(socket_).value();
  ASSERT_TRUE(qmp->execute("cont").ok());
  ASSERT_TRUE(qmp->execute("stop").ok());
  const auto any = [](const json&) { return true; };
  EXPECT_TRUE(qmp->wait_event("STOP", any, std::chrono::seconds(10)).ok());
  EXPECT_TRUE(qmp->wait_event("RESUME", any, std::chrono::seconds(10)).ok());
  const auto none = qmp->wait_event("STOP", any, std::chrono::milliseconds(20));
  ASSERT_FALSE(none.ok());
  EXPECT_TRUE(none.error().transient());
}

TEST_F(QmpTest, SaysThatQemuHasEnded) {
  auto qmp = Qmp::connect(socket_).value();
  kill_process(pid_);
  const auto lost = qmp->execute("query-status");
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::unavailable);
}

TEST(Qmp, GivesUpWhereNobodyListens) {
  const auto absent = Qmp::connect("/nonexistent/qmp", std::chrono::milliseconds(30));
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::unavailable);
}

TEST(Qmp, RefusesAPathThatNoSocketCanHave) {
  const auto refused = Qmp::connect("/" + std::string(200, 'x'));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(refused.error().message().find("shorter path"), std::string::npos);
}

TEST(Accelerator, NamesAnAcceleratorAndACpu) {
  const auto arguments = accelerator_arguments();
  ASSERT_GE(arguments.size(), 4U);
  EXPECT_EQ(arguments[0], "-accel");
  EXPECT_NE(arguments[1], "kvm:tcg");
  EXPECT_EQ(arguments[2], "-cpu");
}

}  // namespace
}  // namespace rekindle::sandbox
