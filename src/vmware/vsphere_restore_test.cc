// Making machines, at a server that can be told to do what no simulator does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "site/refusal.h"
#include "vmware/canned_vim_test.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

std::string references(const std::string& type, const std::vector<std::string>& ids) {
  std::string value = "<val>";
  for (const std::string& id : ids)
    value += fmt::format("<ManagedObjectReference type=\"{}\">{}</ManagedObjectReference>", type, id);
  return value + "</val>";
}
std::string reference(const std::string& type, const std::string& id) {
  return fmt::format("<val type=\"{}\">{}</val>", type, id);
}
std::string token(const std::string& text) {
  return "<val><OptionValue><key>nvram</key><value>x</value></OptionValue><OptionValue><key>rekindle.token</"
         "key>"
         "<value>" +
         text + "</value></OptionValue></val>";
}

// One datacenter with a cluster of two hosts; only the second sees the datastore "large" and the network
// "DMZ".
class VsphereRestoreTest : public testing::Test {
 protected:
  void SetUp() override {
    add("dc-1", "Datacenter", {{"name", text_value("DC")}, {"vmFolder", reference("Folder", "vms")}});
    add("hosts", "Folder", {{"parent", reference("Datacenter", "dc-1")}});
    add("cluster", "ClusterComputeResource",
        {{"parent", reference("Folder", "hosts")}, {"resourcePool", reference("ResourcePool", "pool-1")}});
    add("vms", "Folder", {});
    add_host("host-1", {"ds-small"}, {"net-1"});
    add_host("host-2", {"ds-small", "ds-large"}, {"net-1", "net-2"});
    add_datastore("ds-small", "small", 20 * gib);
    add_datastore("ds-large", "large", 100 * gib);
    add("net-1", "Network", {{"name", text_value("VM Network")}});
    add("net-2", "Network", {{"name", text_value("DMZ")}});
    VsphereOptions options = canned_options();
    options.disk_command = "serve {socket}";
    site = VsphereSite::connect(options, server, clock, random).value();
    wanted.machine.name = "web";
    wanted.machine.memory_mib = 512;
    wanted.machine.disks = {{DiskId("a"), "Hard disk 1", 10 * gib, 0, ""}};
    wanted.machine.nics = {{"Network adapter 1", "00:50:56:01:02:03", "VM Network", "vmxnet3"}};
    wanted.token = "token-1";
  }
  void add(const std::string& id, const std::string& type, std::map<std::string, std::string> values) {
    server.types[id] = type;
    server.properties[id] = std::move(values);
  }
  void add_host(const std::string& id, const std::vector<std::string>& datastores,
                const std::vector<std::string>& networks) {
    add(id, "HostSystem",
        {{"parent", reference("ClusterComputeResource", "cluster")},
         {"runtime.connectionState", text_value("connected")},
         {"runtime.inMaintenanceMode", text_value("false")},
         {"datastore", references("Datastore", datastores)},
         {"network", references("Network", networks)}});
  }
  void add_datastore(const std::string& id, const std::string& name, std::uint64_t free) {
    add(id, "Datastore",
        {{"name", text_value(name)},
         {"summary.accessible", text_value("true")},
         {"summary.freeSpace", text_value(std::to_string(free))}});
  }
  void add_machine(const std::string& id, const std::string& name, const std::string& carried) {
    add(id, "VirtualMachine",
        {{"name", text_value(name)},
         {"parent", reference("Folder", "vms")},
         {"config.instanceUuid", text_value("uuid-of-" + id)},
         {"runtime.powerState", text_value("poweredOff")}});
    if (!carried.empty()) server.properties[id]["config.extraConfig"] = token(carried);
  }
  std::string creation() const {
    for (const std::string& body : server.bodies) {
      if (body.find("<CreateVM_Task") != std::string::npos) return body;
    }
    return "nothing was made";
  }
  // The server makes it, and says so.
  void make_at(const std::string& id) {
    add_machine(id, "web", "token-1");
    server.task_outcomes = {CannedVim::task_success(id)};
  }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::unique_ptr<VsphereSite> site;
  NewMachine wanted;
};

TEST_F(VsphereRestoreTest, GoesToTheMostRoomThatAHostWithItsNetworkSees) {
  server.methods["CreateVM_Task"] = [&](const XmlElement&) {
    return make_at("vm-9"), HttpResponse{100, {}, {}};
  };
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(*made, MachineId("uuid-of-vm-9"));
  EXPECT_THAT(creation(), HasSubstr("<_this type=\"Folder\">vms</_this>"));
  EXPECT_THAT(creation(), HasSubstr("<vmPathName>[large]</vmPathName>"));
  EXPECT_THAT(creation(),
              HasSubstr("<pool type=\"ResourcePool\">pool-1</pool><host type=\"HostSystem\">host-2</host>"));
}

TEST_F(VsphereRestoreTest, SaysWhyNoPlaceFits) {
  server.properties["host-2"]["runtime.inMaintenanceMode"] = text_value("true");
  EXPECT_TRUE(site->check_new_machine(wanted).ok()) << "on the small one";
  wanted.networks["VM Network"] = "DMZ";
  EXPECT_EQ(site->check_new_machine(wanted).error().code(), ErrorCode::failed_precondition);
  wanted.networks.clear();
  wanted.machine.disks[0].size_bytes = 30 * gib;
  const Error full = site->check_new_machine(wanted).error();
  EXPECT_EQ(full.code(), ErrorCode::exhausted);
  EXPECT_THAT(full.message(), HasSubstr("'small' has 20"));
  server.properties["ds-small"]["summary.accessible"] = text_value("false");
  wanted.datastore = "small";
  EXPECT_THAT(site->check_new_machine(wanted).error().message(), HasSubstr("there are: large"));
}

TEST_F(VsphereRestoreTest, TheNameOfAnotherMachineIsTaken) {
  add_machine("vm-1", "web", "");
  EXPECT_EQ(site->check_new_machine(wanted).error().code(), ErrorCode::failed_precondition);
  wanted.token = "";  // before there is a job
  EXPECT_EQ(site->check_new_machine(wanted).error().code(), ErrorCode::failed_precondition);
  server.properties["vm-1"]["parent"] = reference("Folder", "elsewhere");
  EXPECT_TRUE(site->check_new_machine(wanted).ok());
}

TEST_F(VsphereRestoreTest, SaysThatACopyOfItsMachineCarriesTheTokenToo) {
  add_machine("vm-1", "web", "token-1");
  EXPECT_EQ(site->find_machine("token-1").value(), MachineId("uuid-of-vm-1"));
  add_machine("vm-2", "copy of web", "token-1");
  EXPECT_EQ(site->find_machine("token-1").error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(site->create_machine(wanted).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(server.count("CreateVM_Task"), 0);
}

TEST_F(VsphereRestoreTest, AfterALostAnswerWaitsForWhatIsMadeAndNotForOtherTasks) {
  add("task-copy", "Task", {{"info.descriptionId", text_value("VirtualMachine.clone")}});
  add("task-make", "Task", {{"info.descriptionId", text_value("Folder.createVm")}});
  server.properties["vms"]["recentTask"] = references("Task", {"task-copy", "task-make", "task-forgotten"});
  server.methods["CreateVM_Task"] = [](const XmlElement&) { return HttpResponse{0, {}, {}}; };
  server.methods["WaitForUpdatesEx"] = [&](const XmlElement&) {
    add_machine("vm-9", "web", "token-1");  // it appears while we wait
    return HttpResponse{100, {}, {}};
  };
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(*made, MachineId("uuid-of-vm-9"));
  EXPECT_EQ(server.count("CreateVM_Task"), 1);
  for (const std::string& body : server.bodies) {
    const bool watches = body.find("<CreateFilter") != std::string::npos;
    EXPECT_FALSE(watches && body.find("task-copy") != std::string::npos) << body;
  }
}

TEST_F(VsphereRestoreTest, WhatCannotBeReadAfterTheMakingIsNoRefusal) {
  server.methods["CreateVM_Task"] = [&](const XmlElement&) {
    server.task_outcomes = {CannedVim::task_success("vm-9")};
    server.methods["RetrievePropertiesEx"] = [](const XmlElement&) {
      return CannedVim::fault("NoPermission", "", "<privilegeId>System.Read</privilegeId>");
    };
    return HttpResponse{100, {}, {}};
  };
  const auto made = site->create_machine(wanted);
  ASSERT_FALSE(made.ok());
  EXPECT_FALSE(is_refusal(made.error().code())) << made.error().message();
  EXPECT_THAT(made.error().message(), HasSubstr("System.Read"));
}

TEST_F(VsphereRestoreTest, WhatCannotBeLookedForAfterALostAnswerIsNoRefusal) {
  server.methods["CreateVM_Task"] = [&](const XmlElement&) {
    server.methods["RetrievePropertiesEx"] = [](const XmlElement&) {
      return CannedVim::fault("NoPermission", "", "<privilegeId>System.Read</privilegeId>");
    };
    return HttpResponse{0, {}, {}};
  };
  const auto made = site->create_machine(wanted);
  ASSERT_FALSE(made.ok());
  EXPECT_FALSE(is_refusal(made.error().code())) << made.error().message();
  EXPECT_EQ(server.count("CreateVM_Task"), 1);
}

TEST_F(VsphereRestoreTest, AnOlderHostMakesItOfItsOwnHardwareVersion) {
  wanted.machine.hardware_version = "vmx-21";
  server.methods["CreateVM_Task"] = [&](const XmlElement& call) {
    if (call.at("config.version").text() == "vmx-21") {
      server.task_outcomes = {CannedVim::task_error("VirtualHardwareVersionNotSupported", "too new")};
    } else {
      make_at("vm-9");
    }
    return HttpResponse{100, {}, {}};
  };
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(server.count("CreateVM_Task"), 2);
}

TEST_F(VsphereRestoreTest, KnowsBeforehandWhetherDisksCanBeWritten) {
  const MachineId id("uuid-of-vm-1");
  add_machine("vm-1", "web", "");
  server.properties["vm-1"]["config.hardware"] = "<val></val>";
  server.properties["vm-1"]["datastore"] = references("Datastore", {"ds-large", "ds-small"});
  const Result<> good = site->check_writable(id);
  EXPECT_TRUE(good.ok()) << good.error().message();
  EXPECT_EQ(site->check_writable(MachineId("nobody")).error().code(), ErrorCode::not_found);
  server.properties["ds-small"]["summary.accessible"] = text_value("false");
  EXPECT_THAT(site->check_writable(id).error().message(), HasSubstr("'small'"));
  server.properties["vm-1"]["snapshot"] =
      "<val><rootSnapshotList><snapshot type=\"VirtualMachineSnapshot\">s-1</snapshot><name>before</name>"
      "</rootSnapshotList></val>";
  EXPECT_THAT(site->check_writable(id).error().message(), HasSubstr("'before'"));
  server.properties["vm-1"]["runtime.question"] = "<val><id>1</id><text>moved or copied?</text></val>";
  EXPECT_THAT(site->check_writable(id).error().message(), HasSubstr("moved or copied?"));
  server.properties["vm-1"]["config.template"] = text_value("true");
  EXPECT_THAT(site->check_writable(id).error().message(), HasSubstr("template"));
}

TEST_F(VsphereRestoreTest, AMissingDiskCommandIsKnownBeforehand) {
  add_machine("vm-1", "old", "");
  const auto without = VsphereSite::connect(canned_options(), server, clock, random).value();
  for (const Result<>& refused :
       {without->check_new_machine(wanted), without->check_writable(MachineId("uuid-of-vm-1"))}) {
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
    EXPECT_THAT(refused.error().message(), HasSubstr("--disk-command"));
  }
}

TEST_F(VsphereRestoreTest, RemovesOnlyWhatCarriesAToken) {
  add_machine("vm-1", "theirs", "");
  const auto refused = site->remove_machine(MachineId("uuid-of-vm-1"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  add_machine("vm-2", "web", "token-1");
  EXPECT_TRUE(site->remove_machine(MachineId("uuid-of-vm-2")).ok());
  EXPECT_EQ(server.count("Destroy_Task"), 1);
  EXPECT_EQ(server.count("PowerOffVM_Task"), 0) << "it is off";
}

}  // namespace
}  // namespace rekindle
