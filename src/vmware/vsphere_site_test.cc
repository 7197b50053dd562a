// VsphereSite where servers misbehave.
#include "vmware/vsphere_site.h"

#include <gtest/gtest.h>

#include "site/refusal.h"
#include "vmware/canned_vim_test.h"

namespace rekindle {
namespace {

constexpr auto web_uuid = "50001111-2222-3333-4444-555566667777";
constexpr auto change_now = "52 de c0 d9-61 d5/82";

std::string disk_device(int key, const std::string& backing, const std::string& more = "") {
  return fmt::format(
      "<device i:type=\"VirtualDisk\"><key>{0}</key><deviceInfo><label>Hard disk {0}</label></deviceInfo>"
      "<backing i:type=\"VirtualDiskFlatVer2BackingInfo\">{1}</backing><controllerKey>1000</controllerKey>"
      "<capacityInKB>4</capacityInKB><capacityInBytes>4096</capacityInBytes>{2}</device>",
      key, backing, more);
}

std::string hardware(const std::string& devices) {
  return "<val i:type=\"VirtualHardware\"><numCPU>2</numCPU><memoryMB>1024</memoryMB>" + devices + "</val>";
}

const std::string web_backing =
    "<fileName>[ds] web/web.vmdk</fileName><diskMode>persistent</diskMode><uuid>6000C29a</uuid>";

class VsphereSiteTest : public testing::Test {
 protected:
  void SetUp() override {
    add_machine("vm-1", "web", web_uuid);
    server.properties["vm-1"]["config.hardware"] = hardware(disk_device(2000, web_backing));
    server.properties["vm-1"]["datastore"] =
        "<val i:type=\"ArrayOfManagedObjectReference\">"
        "<ManagedObjectReference type=\"Datastore\">ds-1</ManagedObjectReference></val>";
    add_place("ds-1", "ds", "<val type=\"Folder\">f-2</val>");
    add_place("f-2", "datastore", "<val type=\"Datacenter\">dc-1</val>");
    add_place("dc-1", "DC", "<val type=\"Folder\">f-1</val>");
    add_place("f-1", "Europe", "<val type=\"Folder\">root-1</val>");
    auto connected = VsphereSite::connect(options(), server, clock, random);
    ASSERT_TRUE(connected.ok()) << connected.error().message();
    site = *std::move(connected);
  }

  static VsphereOptions options() {
    VsphereOptions options;
    options.url = "https://vc";
    options.user = "backup@vsphere.local";
    options.password = "secret";
    options.retry = {.attempts = 3};
    options.busy_retry = {.attempts = 3};
    return options;
  }
  void add_machine(const std::string& vm, const std::string& name, const std::string& uuid) {
    server.types[vm] = "VirtualMachine";
    auto& properties = server.properties[vm];
    properties["name"] = text_value(name);
    properties["config.instanceUuid"] = text_value(uuid);
    properties["config.hardware"] = hardware("");
    properties["runtime.powerState"] = text_value("poweredOn");
    properties["runtime.connectionState"] = text_value("connected");
  }
  void add_place(const std::string& object, const std::string& name, const std::string& parent) {
    server.properties[object] = {{"name", text_value(name)}, {"parent", parent}};
  }
  // The server has this snapshot of vm-1 from now on.
  void add_snapshot(const std::string& name) {
    server.properties["vm-1"]["snapshot"] =
        "<val><rootSnapshotList><snapshot type=\"VirtualMachineSnapshot\">snapshot-9</snapshot><name>" +
        name + "</name><state>poweredOn</state></rootSnapshotList></val>";
    server.properties["snapshot-9"]["config.hardware"] =
        hardware(disk_device(2000, web_backing + "<changeId>" + change_now + "</changeId>"));
  }
  MachineSnapshot snapshot() {
    add_snapshot("s");
    return site->find_snapshot(MachineId(web_uuid), MachineSnapshotId("snapshot-9")).value();
  }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::unique_ptr<VsphereSite> site;
};

TEST_F(VsphereSiteTest, SaysWhyADiskIsLeftOut) {
  server.properties["vm-1"]["config.hardware"] = hardware(
      "<device i:type=\"ParaVirtualSCSIController\"><key>1000</key><sharedBus>noSharing</sharedBus></device>"
      "<device "
      "i:type=\"VirtualLsiLogicController\"><key>1001</key><sharedBus>physicalSharing</sharedBus></device>" +
      disk_device(2003, "<diskMode>persistent</diskMode><sharing>sharingMultiWriter</sharing>") +
      disk_device(2001, "<diskMode>independent_persistent</diskMode>") +
      disk_device(2002,
                  "<diskMode>persistent</diskMode><compatibilityMode>physicalMode</compatibilityMode>") +
      disk_device(2000, web_backing) +
      "<device i:type=\"VirtualDisk\"><key>2016</key><controllerKey>1001</controllerKey></device>");
  const auto disks = site->machine(MachineId(web_uuid)).value().disks;
  ASSERT_EQ(disks.size(), 5U);
  EXPECT_EQ(disks[0].excluded_because, "");
  EXPECT_EQ(disks[0].id, DiskId("6000C29a"));
  EXPECT_EQ(disks[0].name, "Hard disk 2000");
  EXPECT_NE(disks[1].excluded_because.find("independent_persistent"), std::string::npos);
  EXPECT_EQ(disks[1].id, DiskId("key-2001"));
  EXPECT_NE(disks[2].excluded_because.find("physical mode"), std::string::npos);
  EXPECT_NE(disks[3].excluded_because.find("multi-writer"), std::string::npos);
  EXPECT_NE(disks[4].excluded_because.find("physicalSharing"), std::string::npos);
}

TEST_F(VsphereSiteTest, ReadsTheHardwareThatANewMachineWouldNeed) {
  server.properties["vm-1"]["config.version"] = text_value("vmx-19");
  server.properties["vm-1"]["config.uuid"] = text_value("564d-bios");
  server.properties["vm-1"]["config.bootOptions"] =
      "<val><efiSecureBootEnabled>true</efiSecureBootEnabled></val>";
  server.properties["vm-1"]["config.hardware"] = hardware(
      "<numCoresPerSocket>2</numCoresPerSocket>"
      "<device i:type=\"VirtualAHCIController\"><key>15000</key><busNumber>0</busNumber></device>"
      "<device i:type=\"ParaVirtualSCSIController\"><key>1001</key><busNumber>1</busNumber></device>"
      "<device i:type=\"VirtualDisk\"><key>2016</key><controllerKey>1001</controllerKey><unitNumber>3"
      "</unitNumber></device>"
      "<device i:type=\"VirtualDisk\"><key>16000</key><controllerKey>15000</controllerKey><unitNumber>0"
      "</unitNumber></device>"
      "<device i:type=\"VirtualDisk\"><key>17000</key><controllerKey>99</controllerKey></device>");
  const Machine machine = site->machine(MachineId(web_uuid)).value();
  EXPECT_EQ(machine.hardware_version, "vmx-19");
  EXPECT_EQ(machine.bios_uuid, "564d-bios");
  EXPECT_TRUE(machine.secure_boot);
  EXPECT_EQ(machine.cores_per_socket, 2);
  ASSERT_EQ(machine.disks.size(), 3U);
  EXPECT_EQ(machine.disks[0].controller, "pvscsi");
  EXPECT_EQ(machine.disks[0].bus, 1);
  EXPECT_EQ(machine.disks[0].unit, 3);
  EXPECT_EQ(machine.disks[1].controller, "ahci");
  EXPECT_EQ(machine.disks[2].controller, "");
}

TEST_F(VsphereSiteTest, PutsTheDiskThatTheFirmwareStartsFirst) {
  server.properties["vm-1"]["config.hardware"] =
      hardware(disk_device(2000, web_backing) + disk_device(2001, ""));
  server.properties["vm-1"]["config.firmware"] = text_value("efi");
  server.properties["vm-1"]["config.bootOptions"] =
      "<val><bootOrder "
      "i:type=\"VirtualMachineBootOptionsBootableEthernetDevice\"><deviceKey>4000</deviceKey></bootOrder>"
      "<bootOrder "
      "i:type=\"VirtualMachineBootOptionsBootableDiskDevice\"><deviceKey>2001</deviceKey></bootOrder></val>";
  const Machine machine = site->machine(MachineId(web_uuid)).value();
  EXPECT_EQ(machine.firmware, Firmware::uefi);
  EXPECT_EQ(machine.disks[0].id, DiskId("key-2001"));
  EXPECT_EQ(machine.disks[0].position, 0);
  EXPECT_EQ(machine.disks[1].position, 1);
}

TEST_F(VsphereSiteTest, SaysWhyAMachineCannotBeProtected) {
  add_machine("vm-2", "a template", "uuid-2");
  server.properties["vm-2"]["config.template"] = text_value("true");
  add_machine("vm-3", "fault tolerant", "uuid-3");
  server.properties["vm-3"]["config.ftInfo"] = "<val><role>1</role></val>";
  add_machine("vm-4", "lost", "uuid-4");
  server.properties["vm-4"]["runtime.connectionState"] = text_value("orphaned");
  add_machine("vm-5", "original", "uuid-5");
  add_machine("vm-6", "twin", "uuid-5");
  std::map<std::string, std::string> reasons;
  for (const Machine& machine : site->machines().value()) reasons[machine.name] = machine.refused_because;
  EXPECT_EQ(reasons["web"], "");
  EXPECT_NE(reasons["a template"].find("template"), std::string::npos);
  EXPECT_NE(reasons["fault tolerant"].find("fault tolerant"), std::string::npos);
  EXPECT_NE(reasons["lost"].find("orphaned"), std::string::npos);
  EXPECT_NE(reasons["original"].find("same instance UUID"), std::string::npos);
  EXPECT_EQ(reasons["original"], reasons["twin"]);
  const auto refused = site->create_snapshot(MachineId("uuid-2"), "s");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(server.count("CreateSnapshot_Task"), 0);
}

TEST_F(VsphereSiteTest, FindsAMachineThatWasRegisteredAnew) {
  ASSERT_TRUE(site->machine(MachineId(web_uuid)).ok());
  server.properties["vm-77"] = server.properties["vm-1"];
  server.types["vm-77"] = "VirtualMachine";
  server.properties.erase("vm-1");
  const auto found = site->machine(MachineId(web_uuid));
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->name, "web");
}

TEST_F(VsphereSiteTest, TakesTheSnapshotWithoutQuiescingWhereTheGuestCannot) {
  server.properties["vm-1"]["guest.toolsRunningStatus"] = text_value("guestToolsRunning");
  add_snapshot("s");
  server.task_outcomes = {CannedVim::task_error("ApplicationQuiesceFault", "an error while quiescing"),
                          CannedVim::task_success("snapshot-9")};
  const auto made = site->create_snapshot(MachineId(web_uuid), "s");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->disks.at(0).change_id, change_now);
  std::vector<bool> quiesced;
  for (const std::string& body : server.bodies) {
    if (body.find("<CreateSnapshot_Task") == std::string::npos) continue;
    quiesced.push_back(body.find("<quiesce>true</quiesce>") != std::string::npos);
  }
  EXPECT_EQ(quiesced, (std::vector<bool>{true, false}));
}

TEST_F(VsphereSiteTest, DoesNotQuiesceWithoutTools) {
  add_snapshot("s");
  server.task_outcomes = {CannedVim::task_success("snapshot-9")};
  ASSERT_TRUE(site->create_snapshot(MachineId(web_uuid), "s").ok());
  EXPECT_EQ(server.count("CreateSnapshot_Task"), 1);
  for (const std::string& body : server.bodies) EXPECT_EQ(body.find("<quiesce>true"), std::string::npos);
}

TEST_F(VsphereSiteTest, ReportsAFailedTaskInTheServersWords) {
  server.task_outcomes = {CannedVim::task_error("NoDiskSpace", "Datastore 'ds' is full.")};
  const auto made = site->create_snapshot(MachineId(web_uuid), "s");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::exhausted);
  EXPECT_NE(made.error().message().find("making a snapshot of machine 'web'"), std::string::npos);
  EXPECT_NE(made.error().message().find("Datastore 'ds' is full."), std::string::npos)
      << made.error().message();
}

// Else the ledger would forget a snapshot that then grows on and on.
TEST_F(VsphereSiteTest, DoesNotCallItARefusalThatASnapshotCannotBeRead) {
  bool made = false;
  server.methods["CreateSnapshot_Task"] = [&](const XmlElement&) {
    made = true;
    return HttpResponse{100, {}, {}};
  };
  server.methods["RetrievePropertiesEx"] = [&](const XmlElement&) {
    return made ? CannedVim::fault("NoPermission", "Permission denied.") : HttpResponse{100, {}, {}};
  };
  server.task_outcomes = {CannedVim::task_success("snapshot-9")};
  const auto snapshot = site->create_snapshot(MachineId(web_uuid), "s");
  ASSERT_TRUE(made);
  ASSERT_FALSE(snapshot.ok());
  EXPECT_FALSE(is_refusal(snapshot.error().code())) << snapshot.error().message();
}

TEST_F(VsphereSiteTest, IsPatientWithABusyMachine) {
  int refusals = 2;
  server.methods["CreateSnapshot_Task"] = [&](const XmlElement&) {
    if (refusals-- > 0) return CannedVim::fault("TaskInProgress", "busy");
    return HttpResponse{100, {}, {}};
  };
  add_snapshot("another");
  server.task_outcomes = {CannedVim::task_success("snapshot-9")};
  EXPECT_TRUE(site->create_snapshot(MachineId(web_uuid), "s").ok());
  EXPECT_EQ(server.count("CreateSnapshot_Task"), 3);
}

TEST_F(VsphereSiteTest, MergesDisksAgainAfterASnapshotWasRemovedWhileAFileWasLocked) {
  add_snapshot("s");
  server.properties["vm-1"]["runtime.consolidationNeeded"] = text_value("true");
  server.task_outcomes = {CannedVim::task_success(), CannedVim::task_error("FileLocked", "locked"),
                          CannedVim::task_success()};
  const auto removed = site->remove_snapshot(MachineId(web_uuid), MachineSnapshotId("snapshot-9"));
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_EQ(server.count("RemoveSnapshot_Task"), 1);
  EXPECT_EQ(server.count("ConsolidateVMDisks_Task"), 2);
}

TEST_F(VsphereSiteTest, HasNothingToRemoveWhenTheMachineIsGone) {
  server.properties.erase("vm-1");
  EXPECT_TRUE(site->remove_snapshot(MachineId(web_uuid), MachineSnapshotId("snapshot-9")).ok());
  EXPECT_EQ(site->snapshots(MachineId(web_uuid)).error().code(), ErrorCode::not_found);
}

TEST_F(VsphereSiteTest, RemovesNoSnapshotThatIsNotTheMachines) {
  EXPECT_TRUE(site->remove_snapshot(MachineId(web_uuid), MachineSnapshotId("snapshot-of-another")).ok());
  EXPECT_EQ(server.count("RemoveSnapshot_Task"), 0);
}

TEST_F(VsphereSiteTest, FinishesAnInterruptedStartOfChangeTracking) {
  add_snapshot("rekindle-enable-change-tracking");
  server.properties["vm-1"]["config.changeTrackingEnabled"] = text_value("true");
  EXPECT_TRUE(site->enable_change_tracking(MachineId(web_uuid)).ok());
  EXPECT_EQ(server.count("RemoveSnapshot_Task"), 1);
  EXPECT_EQ(server.count("ReconfigVM_Task"), 0);
}

TEST_F(VsphereSiteTest, RefusesChangeTrackingOnOldHardware) {
  server.properties["vm-1"]["capability.changeTrackingSupported"] = text_value("false");
  const auto enabled = site->enable_change_tracking(MachineId(web_uuid));
  ASSERT_FALSE(enabled.ok());
  EXPECT_EQ(enabled.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(enabled.error().message().find("version 7"), std::string::npos);
}

TEST_F(VsphereSiteTest, ReadsEverythingWhenTrackingBeganAnew) {
  const MachineSnapshot taken = snapshot();
  const auto changed = site->changed_areas(taken, DiskId("6000C29a"), "99 99/1");
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(changed.error().message().find("began anew"), std::string::npos);
  EXPECT_EQ(server.count("QueryChangedDiskAreas"), 0);
}

TEST_F(VsphereSiteTest, OpensTheFrozenDiskUnderItsDatacentersPath) {
  server.files["[ds] web/web.vmdk"] = "# Disk DescriptorFile\nRW 8 VMFS \"web-flat.vmdk\"\n";
  server.files["[ds] web/web-flat.vmdk"] = std::string(4096, 'w');
  std::vector<std::string> urls;
  server.folder = [&](const HttpRequest& request) {
    urls.push_back(request.url);
    return HttpResponse{100, {}, {}};
  };
  server.methods["QueryChangedDiskAreas"] = [](const XmlElement&) {
    return CannedVim::fault("NotSupported");
  };
  auto disk = site->open_disk(snapshot(), DiskId("6000C29a"));
  ASSERT_TRUE(disk.ok()) << disk.error().message();
  EXPECT_EQ(urls.at(0), "https://vc/folder/web/web.vmdk?dcPath=Europe%2FDC&dsName=ds");
  Bytes bytes(4096);
  ASSERT_TRUE((*disk)->read_at(0, bytes).ok());
  EXPECT_EQ(as_text(bytes), std::string(4096, 'w'));
  EXPECT_EQ((*disk)->data_extents({0, 4096}).value(), (Extents{{0, 4096}})) << "unknown means in use";
}

TEST_F(VsphereSiteTest, SaysThatTheSnapshotWasDeletedMeanwhile) {
  const MachineSnapshot taken = snapshot();
  server.properties.erase("snapshot-9");
  const auto disk = site->open_disk(taken, DiskId("6000C29a"));
  ASSERT_FALSE(disk.ok());
  EXPECT_EQ(disk.error().code(), ErrorCode::not_found);
  EXPECT_NE(disk.error().message().find("deleted meanwhile"), std::string::npos);
  EXPECT_EQ(site->changed_areas(taken, DiskId("6000C29a"), "52 de c0 d9-61 d5/1").error().code(),
            ErrorCode::not_found);
}

TEST_F(VsphereSiteTest, DoesNotHammerAServerThatRefusesThePassword) {
  server.methods["Login"] = [](const XmlElement&) {
    return CannedVim::fault("InvalidLogin", "Cannot complete login");
  };
  server.methods["RetrievePropertiesEx"] = [](const XmlElement&) {
    return CannedVim::fault("NotAuthenticated");
  };
  for (int i = 0; i < 5; ++i) {
    const auto machines = site->machines();
    ASSERT_FALSE(machines.ok());
    EXPECT_EQ(machines.error().code(), ErrorCode::unauthenticated);
    EXPECT_NE(machines.error().message().find("backup@vsphere.local"), std::string::npos)
        << machines.error().message();
  }
  EXPECT_EQ(server.count("Login"), 2) << "the first one, and one renewal";
  clock.advance(std::chrono::minutes(2));
  EXPECT_FALSE(site->machines().ok());
  EXPECT_EQ(server.count("Login"), 3);
}

TEST_F(VsphereSiteTest, StartsAViewAnewWhenItDiedWithItsSession) {
  int views = 0;
  server.methods["CreateContainerView"] = [&](const XmlElement&) {
    return ++views, HttpResponse{100, {}, {}};
  };
  int reads = 0;
  server.methods["RetrievePropertiesEx"] = [&](const XmlElement&) {
    ++reads;
    if (reads == 1) return CannedVim::fault("NotAuthenticated");
    if (reads == 2) return CannedVim::fault("ManagedObjectNotFound", "the view is gone");
    return HttpResponse{100, {}, {}};
  };
  const auto machines = site->machines();
  ASSERT_TRUE(machines.ok()) << machines.error().message();
  EXPECT_EQ(machines->size(), 1U);
  EXPECT_EQ(views, 2);
}

}  // namespace
}  // namespace rekindle
