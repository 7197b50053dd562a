#include "vmware/vm_config_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

using testing::HasSubstr;
using testing::Not;

class VmConfigSpec : public testing::Test {
 protected:
  VmConfigSpec() {
    wanted.machine.name = "web & <db>";
    wanted.machine.vcpus = 2;
    wanted.machine.memory_mib = 1024;
    wanted.machine.guest_os = "debian12_64Guest";
    wanted.machine.disks = {{DiskId("b"), "Hard disk 2", 1024 * kib + 512, 1, ""},
                            {DiskId("a"), "Hard disk 1", 10 * mib, 0, ""}};
    wanted.machine.nics = {{"Network adapter 1", "00:50:56:3f:02:03", "VM Network", "e1000"}};
    wanted.token = "job-1/machine";
    placement.datastore = "ds 1";
    placement.backings["VM Network"] = "<backing>there</backing>";
  }
  std::string spec() const { return vm_config_spec(wanted, placement); }
  static std::vector<std::string> children_of(const XmlElement& element) {
    std::vector<std::string> names;
    for (const XmlElement& part : element.children()) names.emplace_back(part.name());
    return names;
  }
  // As the server reads it.
  std::shared_ptr<const XmlDocument> document() const {
    std::string text = spec();
    text.insert(7, " xmlns=\"urn:vim25\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
    return XmlDocument::parse(text).value();
  }

  NewMachine wanted;
  Placement placement;
};

TEST_F(VmConfigSpec, SaysAllInTheOrderOfTheSchema) {
  const auto read = document();
  EXPECT_EQ(children_of(read->root()),
            (std::vector<std::string>{"name", "guestId", "annotation", "files", "numCPUs", "memoryMB",
                                      "deviceChange", "deviceChange", "deviceChange", "deviceChange",
                                      "extraConfig", "changeTrackingEnabled", "firmware"}));
  EXPECT_EQ(read->root().child("name").text(), "web & <db>");
  EXPECT_EQ(read->root().at("files.vmPathName").text(), "[ds 1]");
  EXPECT_EQ(read->root().at("extraConfig.key").text(), "rekindle.token");
  EXPECT_EQ(read->root().at("extraConfig.value").text(), "job-1/machine");
  EXPECT_EQ(read->root().child("firmware").text(), "bios");
}

TEST_F(VmConfigSpec, PutsDisksInTheirOrderOnParavirtualScsi) {
  const auto read = document();
  const auto devices = read->root().children("deviceChange");
  EXPECT_EQ(devices[0].child("device").xsi_type(), "ParaVirtualSCSIController");
  const XmlElement first = devices[1].child("device");
  EXPECT_EQ(devices[1].child("fileOperation").text(), "create");
  EXPECT_EQ(children_of(first), (std::vector<std::string>{"key", "backing", "controllerKey", "unitNumber",
                                                          "capacityInKB", "capacityInBytes"}));
  EXPECT_EQ(first.child("capacityInBytes").number(), 10 * mib);
  EXPECT_EQ(first.child("controllerKey").text(), devices[0].at("device.key").text());
  EXPECT_EQ(first.child("unitNumber").text(), "0");
  EXPECT_EQ(first.at("backing.thinProvisioned").text(), "true");
  EXPECT_EQ(devices[2].at("device.capacityInKB").text(), "1025") << "rounded up";
  EXPECT_EQ(devices[2].at("device.unitNumber").text(), "1");
}

TEST_F(VmConfigSpec, LeavesOutTheUnitOfTheControllerAndTakesASecondOne) {
  wanted.machine.disks.assign(16, {DiskId("a"), "Hard disk", mib, 0, ""});
  const auto read = document();
  const auto devices = read->root().children("deviceChange");
  ASSERT_EQ(devices.size(), 2U + 16U + 1U);
  EXPECT_EQ(devices[2 + 6].at("device.unitNumber").text(), "6");
  EXPECT_EQ(devices[2 + 7].at("device.unitNumber").text(), "8");
  EXPECT_EQ(devices[2 + 14].at("device.unitNumber").text(), "15");
  EXPECT_EQ(devices[2 + 15].at("device.unitNumber").text(), "0");
  EXPECT_EQ(devices[2 + 15].at("device.controllerKey").text(), devices[1].at("device.key").text());
  EXPECT_EQ(devices[1].at("device.busNumber").text(), "1");
}

TEST_F(VmConfigSpec, PutsDisksOfUefiMachinesOnSata) {
  wanted.machine.firmware = Firmware::uefi;
  EXPECT_THAT(spec(), HasSubstr("VirtualAHCIController"));
  EXPECT_THAT(spec(), Not(HasSubstr("sharedBus")));
  EXPECT_THAT(spec(), HasSubstr("<firmware>efi</firmware>"));
}

TEST_F(VmConfigSpec, GivesTheHardwareThatTheMachineHad) {
  wanted.machine.hardware_version = "vmx-19";
  wanted.machine.firmware = Firmware::uefi;
  wanted.machine.secure_boot = true;
  wanted.machine.cores_per_socket = 2;
  wanted.machine.bios_uuid = "564d0000-0000-4000-8000-000000000001";
  wanted.keep_ids = true;
  const auto read = document();
  EXPECT_EQ(children_of(read->root()),
            (std::vector<std::string>{"name", "version", "uuid", "guestId", "annotation", "files", "numCPUs",
                                      "numCoresPerSocket", "memoryMB", "deviceChange", "deviceChange",
                                      "deviceChange", "deviceChange", "extraConfig", "bootOptions",
                                      "changeTrackingEnabled", "firmware"}));
  EXPECT_EQ(read->root().child("version").text(), "vmx-19");
  EXPECT_EQ(read->root().child("uuid").text(), wanted.machine.bios_uuid);
  EXPECT_EQ(read->root().child("numCoresPerSocket").text(), "2");
  EXPECT_EQ(read->root().at("bootOptions.efiSecureBootEnabled").text(), "true");
  wanted.keep_ids = false;
  EXPECT_THAT(spec(), Not(HasSubstr("<uuid>"))) << "the original has it";
  wanted.machine.vcpus = 3;
  EXPECT_THAT(spec(), Not(HasSubstr("numCoresPerSocket"))) << "no such sockets";
  wanted.machine.firmware = Firmware::bios;
  EXPECT_THAT(spec(), Not(HasSubstr("efiSecureBootEnabled")));
}

TEST_F(VmConfigSpec, PlugsDisksInWhereTheyWere) {
  wanted.machine.firmware = Firmware::uefi;
  wanted.machine.disks = {{DiskId("a"), "Hard disk 1", mib, 0, "", "pvscsi", 1, 0},
                          {DiskId("b"), "Hard disk 2", mib, 1, "", "pvscsi", 1, 9},
                          {DiskId("c"), "Hard disk 3", mib, 2, "", "lsilogic-sas", 0, 2}};
  const auto read = document();
  const auto devices = read->root().children("deviceChange");
  ASSERT_EQ(devices.size(), 2U + 3U + 1U);
  EXPECT_EQ(devices[0].child("device").xsi_type(), "ParaVirtualSCSIController");
  EXPECT_EQ(devices[0].at("device.busNumber").text(), "1");
  EXPECT_EQ(devices[1].child("device").xsi_type(), "VirtualLsiLogicSASController");
  EXPECT_EQ(devices[1].at("device.busNumber").text(), "0");
  EXPECT_EQ(devices[3].at("device.controllerKey").text(), devices[0].at("device.key").text());
  EXPECT_EQ(devices[3].at("device.unitNumber").text(), "9");
  EXPECT_EQ(devices[4].at("device.controllerKey").text(), devices[1].at("device.key").text());
  EXPECT_EQ(devices[4].at("device.unitNumber").text(), "2");
}

TEST_F(VmConfigSpec, KeepsTheKindWhereThePlacesAreNotKnownOrWouldStartAnotherDisk) {
  wanted.machine.firmware = Firmware::uefi;
  wanted.machine.disks = {{DiskId("a"), "Hard disk 1", mib, 0, "", "nvme", 0, 1},
                          {DiskId("b"), "Hard disk 2", mib, 1, "", "nvme", 0, 0}};
  for (const char* controller : {"nvme", ""}) {  // the first starts by hand; the second is not known
    wanted.machine.disks[1].controller = controller;
    const auto read = document();
    const auto devices = read->root().children("deviceChange");
    ASSERT_EQ(devices.size(), 1U + 2U + 1U);
    EXPECT_EQ(devices[0].child("device").xsi_type(), "VirtualNVMEController");
    EXPECT_EQ(devices[1].at("device.unitNumber").text(), "0");
    EXPECT_EQ(devices[1].at("device.key").text(), "-1000");
    EXPECT_EQ(devices[2].at("device.unitNumber").text(), "1");
  }
}

TEST_F(VmConfigSpec, AMachineMayHaveTheDisksThatItHad) {
  wanted.machine.disks.clear();
  for (int i = 0; i < 4; ++i)
    wanted.machine.disks.push_back({DiskId("a"), "Hard disk", mib, i, "", "ide", i / 2, i % 2});
  wanted.machine.disks.push_back({DiskId("b"), "Hard disk", mib, 4, "", "pvscsi", 0, 0});
  EXPECT_TRUE(check_hardware(wanted.machine).ok());
  wanted.machine.disks[4].unit = 7;  // the controller's own: they cannot stay
  EXPECT_THAT(check_hardware(wanted.machine).error().message(), HasSubstr("1 to 4"));
}

TEST_F(VmConfigSpec, KeepsAddressesOnlyIfItIsTold) {
  EXPECT_THAT(spec(), HasSubstr("VirtualVmxnet3"));
  EXPECT_THAT(spec(),
              HasSubstr("<addressType>manual</addressType><macAddress>00:50:56:3f:02:03</macAddress>"));
  EXPECT_THAT(spec(), Not(HasSubstr("checkMACAddress")));
  wanted.keep_mac_addresses = false;
  EXPECT_THAT(spec(), HasSubstr("<addressType>generated</addressType>"));
}

TEST_F(VmConfigSpec, SwitchesTheCheckOffForAddressesThatVmwareGave) {
  for (const char* address : {"00:50:56:80:00:01", "00:50:56:9A:00:01", "00:0C:29:00:00:01"}) {
    wanted.machine.nics[0].mac_address = address;
    EXPECT_THAT(spec(), HasSubstr("<key>ethernet0.checkMACAddress</key>")) << address;
  }
  wanted.machine.nics[0].mac_address = "52:54:00:00:00:01";
  EXPECT_THAT(spec(), Not(HasSubstr("checkMACAddress")));
}

TEST_F(VmConfigSpec, ConnectsToTheNetworkThatTakesThePlace) {
  wanted.machine.nics[0].network = "DMZ";
  wanted.networks["DMZ"] = "VM Network";
  EXPECT_THAT(spec(), HasSubstr("<backing>there</backing>"));
}

TEST_F(VmConfigSpec, RefusesHardwareThatNoMachineHas) {
  EXPECT_TRUE(check_hardware(wanted.machine).ok());
  wanted.machine.disks.assign(61, {DiskId("a"), "Hard disk", mib, 0, ""});
  EXPECT_THAT(check_hardware(wanted.machine).error().message(), HasSubstr("1 to 60"));
  wanted.machine.disks.clear();
  EXPECT_EQ(check_hardware(wanted.machine).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace rekindle
