#include "vmware/task.h"

#include <gtest/gtest.h>

#include "vmware/canned_vim_test.h"

namespace rekindle {
namespace {

const ManagedObject task{"Task", "task-1"};

class TaskTest : public testing::Test {
 protected:
  void SetUp() override {
    session =
        VimSession::open({.url = "https://vc", .user = "u", .password = "p"}, server, clock, random).value();
  }
  static HttpResponse nothing_happened() { return CannedVim::returns("WaitForUpdatesEx", ""); }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::unique_ptr<VimSession> session;
};

TEST_F(TaskTest, GivesWhatTheTaskMade) {
  server.task_outcomes = {CannedVim::task_success("snapshot-9")};
  const auto outcome = wait_for_task(*session, task, {});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_TRUE(outcome->succeeded);
  EXPECT_EQ(outcome->result, (ManagedObject{"VirtualMachineSnapshot", "snapshot-9"}));
  EXPECT_EQ(server.count("DestroyPropertyCollector"), 1);
}

TEST_F(TaskTest, WaitsOnWhileNothingHappens) {
  int polls = 0;
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    return ++polls < 3 ? nothing_happened() : HttpResponse{100, {}, {}};
  };
  EXPECT_TRUE(finish_task(*session, task, {}).ok());
  EXPECT_EQ(polls, 3);
}

TEST_F(TaskTest, AsksTheServerToCancelWhenStopped) {
  std::stop_source stop;
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    stop.request_stop();
    return nothing_happened();
  };
  const auto outcome = wait_for_task(*session, task, stop.get_token());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(server.count("CancelTask"), 1);
}

TEST_F(TaskTest, FollowsTheTaskWithANewCollectorAfterALostConnection) {
  int polls = 0;
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    return HttpResponse{++polls == 1 ? 0 : 100, {}, {}};
  };
  EXPECT_TRUE(finish_task(*session, task, {}).ok());
  EXPECT_EQ(server.count("CreatePropertyCollector"), 2);
}

TEST_F(TaskTest, FollowsTheTaskWithANewCollectorAfterTheSessionEnded) {
  int polls = 0;
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    ++polls;
    if (polls == 1) return CannedVim::fault("NotAuthenticated");
    if (polls == 2) return CannedVim::fault("ManagedObjectNotFound", "the collector died with its session");
    return HttpResponse{100, {}, {}};
  };
  EXPECT_TRUE(finish_task(*session, task, {}).ok());
  EXPECT_EQ(server.count("Login"), 2);
  EXPECT_EQ(server.count("CreatePropertyCollector"), 2);
}

TEST_F(TaskTest, SaysSoWhenTheServerForgotTheTask) {
  server.methods["CreateFilter"] = [](const XmlElement&) {
    return CannedVim::fault("ManagedObjectNotFound");
  };
  EXPECT_EQ(finish_task(*session, task, {}).error().code(), ErrorCode::not_found);
  server.methods.erase("CreateFilter");
  server.methods["WaitForUpdatesEx"] = [](const XmlElement&) {
    return CannedVim::returns(
        "WaitForUpdatesEx",
        "<returnval><version>1</version><filterSet><missingObjects><obj type=\"Task\">task-1"
        "</obj><fault><fault i:type=\"ManagedObjectNotFound\"/></fault></missingObjects>"
        "</filterSet></returnval>");
  };
  EXPECT_EQ(finish_task(*session, task, {}).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
