// Machines are switched by what they are once nothing is running at them, not by what they are shown as.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vmware/canned_vim_test.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

// A machine that is off.
class VspherePowerTest : public testing::Test {
 protected:
  void SetUp() override {
    server.types["vm-1"] = "VirtualMachine";
    server.properties["vm-1"] = {{"name", text_value("web")}, {"config.instanceUuid", text_value("uuid-1")}};
    is("poweredOff");
    VsphereOptions options = canned_options();
    options.stop = stop.get_token();
    site = VsphereSite::connect(options, server, clock, random).value();
  }
  void is(const std::string& state) { server.properties["vm-1"]["runtime.powerState"] = text_value(state); }
  void asks(const std::string& question) {
    server.properties["vm-1"]["runtime.question"] = "<val><id>7</id><text>" + question + "</text></val>";
  }
  // A task of the machine that has not ended.
  void runs(const std::string& what) {
    server.types["task-7"] = "Task";
    server.properties["task-7"] = {{"info.state", text_value("running")},
                                   {"info.descriptionId", text_value(what)}};
    server.properties["vm-1"]["recentTask"] =
        "<val><ManagedObjectReference type=\"Task\">task-7</ManagedObjectReference></val>";
  }
  void ends(const std::string& state) { server.properties["task-7"]["info.state"] = text_value(state); }
  static HttpResponse nothing_happens() { return CannedVim::returns("WaitForUpdatesEx", ""); }
  static HttpResponse as_usual() { return {100, {}, {}}; }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::stop_source stop;
  std::unique_ptr<VsphereSite> site;
  const MachineId id{"uuid-1"};
};

TEST_F(VspherePowerTest, AStartThatIsUnderWayIsWaitedForBeforeTheMachineCountsAsOff) {
  runs("VirtualMachine.powerOn");
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    if (server.count("PowerOffVM_Task") > 0) return as_usual();
    ends("success");  // it could not be cancelled any more
    is("poweredOn");
    return as_usual();
  };
  const Result<> off = site->power_off(id);
  ASSERT_TRUE(off.ok()) << off.error().message();
  EXPECT_EQ(server.count("CancelTask"), 1);
  EXPECT_EQ(server.count("PowerOffVM_Task"), 1);
}

TEST_F(VspherePowerTest, AStartThatIsCancelledLeavesTheMachineOff) {
  runs("Drm.ExecuteVMPowerOnLRO");
  server.methods["CancelTask"] = [&](const XmlElement&) {
    ends("error");
    server.task_outcomes = {CannedVim::task_error("RequestCanceled", "cancelled")};
    return as_usual();
  };
  EXPECT_TRUE(site->power_off(id).ok());
  EXPECT_EQ(server.count("PowerOffVM_Task"), 0);
}

TEST_F(VspherePowerTest, AMachineThatAsksBeforeItStartsIsNotOff) {
  runs("VirtualMachine.powerOn");
  asks("moved or copied?");
  server.methods["WaitForUpdatesEx"] = [](const XmlElement&) { return nothing_happens(); };
  const Result<> off = site->power_off(id);
  ASSERT_FALSE(off.ok());
  EXPECT_EQ(off.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(off.error().message(), HasSubstr("moved or copied?"));
  EXPECT_THAT(off.error().message(), HasSubstr("Answer it in vSphere"));
  server.properties["vm-1"].erase("recentTask");  // servers list a few tasks only
  EXPECT_FALSE(site->power_off(id).ok());
}

TEST_F(VspherePowerTest, ATaskThatDoesNotEndIsNotWaitedForForEver) {
  runs("VirtualMachine.revertToSnapshot");
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    clock.advance(std::chrono::minutes(1));
    return nothing_happens();
  };
  const Result<> off = site->power_off(id);
  ASSERT_FALSE(off.ok());
  EXPECT_EQ(off.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(off.error().message(), HasSubstr("task-7"));
  EXPECT_EQ(server.count("CancelTask"), 0) << "it is somebody else's";
}

TEST_F(VspherePowerTest, TasksThatLeaveThePowerAloneAreNoReasonToWait) {
  runs("VirtualMachine.clone");
  EXPECT_TRUE(site->power_off(id).ok());
  runs("VirtualMachine.powerOn");
  ends("success");
  EXPECT_TRUE(site->power_off(id).ok());
  EXPECT_EQ(server.count("WaitForUpdatesEx"), 0);
}

TEST_F(VspherePowerTest, WaitingEndsWhenItIsToldToStop) {
  runs("VirtualMachine.powerOn");
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    stop.request_stop();
    return nothing_happens();
  };
  const Result<> off = site->power_off(id);
  ASSERT_FALSE(off.ok());
  EXPECT_EQ(off.error().code(), ErrorCode::cancelled);
}

TEST_F(VspherePowerTest, AfterALostAnswerTheStartIsWaitedForAndNotAskedForAgain) {
  server.methods["PowerOnVM_Task"] = [&](const XmlElement&) {
    runs("VirtualMachine.powerOn");
    return HttpResponse{0, {}, {}};
  };
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    ends("success");
    is("poweredOn");
    return as_usual();
  };
  const Result<> on = site->power_on(id);
  ASSERT_TRUE(on.ok()) << on.error().message();
  EXPECT_EQ(server.count("PowerOnVM_Task"), 1);
  EXPECT_EQ(server.count("CancelTask"), 0);
}

TEST_F(VspherePowerTest, AStartThatAsksIsGivenUpAndCancelled) {
  server.methods["PowerOnVM_Task"] = [&](const XmlElement&) {
    runs("VirtualMachine.powerOn");
    asks("moved or copied?");
    return as_usual();
  };
  server.methods["WaitForUpdatesEx"] = [](const XmlElement&) { return nothing_happens(); };
  const Result<> on = site->power_on(id);
  ASSERT_FALSE(on.ok());
  EXPECT_EQ(on.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(on.error().message(), HasSubstr("moved or copied?"));
  EXPECT_EQ(server.count("CancelTask"), 1);
}

TEST_F(VspherePowerTest, WhoeverSwitchedItMeanwhileItIsSwitched) {
  is("poweredOn");
  server.methods["PowerOffVM_Task"] = [&](const XmlElement&) {
    is("poweredOff");
    return CannedVim::fault("InvalidPowerState", "it is off");
  };
  EXPECT_TRUE(site->power_off(id).ok());
  server.methods["PowerOnVM_Task"] = [&](const XmlElement&) {
    return CannedVim::fault("InvalidPowerState", "it is not off");
  };
  EXPECT_EQ(site->power_on(id).error().code(), ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace rekindle
