// CreateVM_Task and what becomes of the VM, as a client of the API sees it.
#include "sandbox/datacenter/datacenter_fixture.h"

namespace rekindle::sandbox {
namespace {

class CreateTest : public DatacenterFixture {
 protected:
  void SetUp() override {
    DatacenterFixture::SetUp();
    log_in();
  }
  static std::string config(const std::string& name = "new", const std::string& more = "") {
    return "<config><name>" + name +
           "</name><guestId>debian12_64Guest</guestId><files><vmPathName>[datastore1]</vmPathName></files>"
           "<numCPUs>1</numCPUs><memoryMB>32</memoryMB>"
           "<deviceChange><operation>add</operation><device "
           "xsi:type=\"ParaVirtualSCSIController\"><key>-1</key>"
           "<busNumber>0</busNumber><sharedBus>noSharing</sharedBus></device></deviceChange>"
           "<deviceChange><operation>add</operation><fileOperation>create</fileOperation>"
           "<device xsi:type=\"VirtualDisk\"><key>-2</key><backing "
           "xsi:type=\"VirtualDiskFlatVer2BackingInfo\">"
           "<fileName>[datastore1]</fileName><diskMode>persistent</diskMode></backing>"
           "<controllerKey>-1</controllerKey><unitNumber>0</unitNumber><capacityInKB>65536</capacityInKB></"
           "device>"
           "</deviceChange><deviceChange><operation>add</operation><device xsi:type=\"VirtualVmxnet3\">"
           "<key>-3</key><backing xsi:type=\"VirtualEthernetCardNetworkBackingInfo\">"
           "<deviceName>VM Network</deviceName></backing><addressType>manual</addressType>"
           "<macAddress>00:50:56:01:02:03</macAddress></device></deviceChange>"
           "<extraConfig><key>rekindle.token</key><value xsi:type=\"xsd:string\">t</value></extraConfig>"
           "<changeTrackingEnabled>true</changeTrackingEnabled><firmware>bios</firmware>" +
           more + "</config><pool type=\"ResourcePool\">ha-root-pool</pool>";
  }
  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    return text.replace(text.find(what), what.size(), by);
  }
  std::string create(const std::string& parameters) {
    return finish(call("CreateVM_Task", {"Folder", "ha-folder-vm"}, parameters));
  }
};

TEST_F(CreateTest, MakesAMachineThatRuns) {
  const std::string info = create(config());
  ASSERT_EQ(element(info, "state"), "success") << info;
  EXPECT_EQ(element(info, "result"), "2");
  EXPECT_NE(info.find("<entity type=\"Folder\">ha-folder-vm</entity>"), std::string::npos);
  const Reference vm{"VirtualMachine", "2"};
  EXPECT_EQ(element(get(vm, "runtime.powerState"), "val"), "poweredOff");
  EXPECT_NE(get(vm, "config.extraConfig").find("<key>rekindle.token</key><value xsi:type=\"xsd:string\">t<"),
            std::string::npos);
  EXPECT_NE(get(vm, "config.hardware.device").find("<macAddress>00:50:56:01:02:03</macAddress>"),
            std::string::npos);
  EXPECT_EQ(element(get(vm, "config.changeTrackingEnabled"), "val"), "true");
  EXPECT_EQ(datacenter_->machines()[1].host_port, 0);
  EXPECT_EQ(element(finish(call("PowerOnVM_Task", vm)), "state"), "success");
  EXPECT_GT(datacenter_->machines()[1].host_port, 0);
  const int port = datacenter_->machines()[1].host_port;
  restart_server();
  log_in();
  EXPECT_EQ(datacenter_->machines()[1].host_port, port);
  EXPECT_NE(finish(call("Destroy_Task", vm)).find("InvalidPowerState"), std::string::npos);
  EXPECT_EQ(element(finish(call("PowerOffVM_Task", vm)), "state"), "success");
  EXPECT_EQ(element(finish(call("Destroy_Task", vm)), "state"), "success");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "datastore1/new"));
  EXPECT_EQ(element(create(config()), "state"), "success");
  EXPECT_EQ(datacenter_->machines()[1].host_port, port) << "its card is known";
}

TEST_F(CreateTest, StartsWithTheNvramThatWasUploaded) {
  const std::string uefi = replaced(config(), "<firmware>bios", "<firmware>efi");
  ASSERT_EQ(element(create(uefi), "state"), "success");
  const Reference vm{"VirtualMachine", "2"};
  const std::string url = "/folder/new/new.nvram?dcPath=ha-datacenter&dsName=datastore1";
  std::string variables = std::string(send("GET", url)->body_text());
  ASSERT_GT(variables.size(), 8U);
  variables.replace(variables.size() - 8, 8, "uploaded");
  EXPECT_EQ(send("PUT", url, {}, variables)->status, 200);
  EXPECT_TRUE(send("GET", url)->body_text() == variables);
  EXPECT_EQ(element(finish(call("PowerOnVM_Task", vm)), "state"), "success");
  const auto flash = datacenter_->monitor("new", "info block");
  ASSERT_TRUE(flash.ok()) << flash.error().message();
  EXPECT_NE(flash->find("new.nvram"), std::string::npos) << *flash;
  EXPECT_EQ(send("PUT", url, {}, variables)->status, 500) << "it is in use";
  EXPECT_EQ(send("DELETE", url)->status, 500);
  EXPECT_EQ(element(finish(call("PowerOffVM_Task", vm)), "state"), "success");
  EXPECT_EQ(send("DELETE", url)->status, 200);
  EXPECT_EQ(send("DELETE", url)->status, 404);
  EXPECT_EQ(element(finish(call("PowerOnVM_Task", vm)), "state"), "success");
  EXPECT_EQ(send("GET", url)->body.size(), variables.size()) << "made anew";
}

TEST_F(CreateTest, TakesUploadsOfNothingButNvram) {
  const std::string where = "?dcPath=ha-datacenter&dsName=datastore1";
  finish(call_machine("PowerOffVM_Task"));
  EXPECT_EQ(send("PUT", "/folder/web/web-flat.vmdk" + where, {}, "x")->status, 403);
  EXPECT_EQ(send("PUT", "/folder/nobody/nobody.nvram" + where, {}, "x")->status, 403);
  EXPECT_EQ(send("PUT", "/folder/web/..%2f..%2fweb.nvram" + where, {}, "x")->status, 404);
  EXPECT_EQ(send("DELETE", "/folder/web/web.vmx" + where)->status, 403);
  EXPECT_EQ(send("POST", "/folder/web/web.nvram" + where, {}, "x")->status, 405);
  cookie_.clear();
  EXPECT_EQ(send("PUT", "/folder/web/web.nvram" + where, {}, "x")->status, 401);
}

TEST_F(CreateTest, RefusesWhatEsxiRefuses) {
  EXPECT_NE(create(config("web")).find("DuplicateName"), std::string::npos);
  EXPECT_NE(create(config("a/b")).find("InvalidName"), std::string::npos);
  EXPECT_NE(create(config("new", "<name>again</name>")).find("Unexpected element tag"), std::string::npos);
  EXPECT_NE(create(replaced(config(), "<vmPathName>[datastore1]", "<vmPathName>[other]"))
                .find("InvalidDatastorePath"),
            std::string::npos);
  EXPECT_NE(create(replaced(config(), ">VM Network<", ">DMZ<")).find("InvalidDeviceBacking"),
            std::string::npos);
  EXPECT_NE(create(replaced(config(), "VirtualVmxnet3", "VirtualE1000")).find("NotSupported"),
            std::string::npos);
  EXPECT_NE(create(replaced(config(), "<controllerKey>-1", "<controllerKey>-9")).find("InvalidDeviceSpec"),
            std::string::npos);
  EXPECT_NE(create(replaced(config(), "ha-root-pool", "no-pool")).find("ManagedObjectNotFound"),
            std::string::npos);
  EXPECT_EQ(datacenter_->machines().size(), 1U);
}

TEST_F(CreateTest, GivesAnInstanceUuidOnce) {
  const std::string uuid = "<instanceUuid>52000000-0000-4000-8000-00000000000a</instanceUuid>";
  const auto with_uuid = [&](const std::string& name) {
    return replaced(config(name), "<guestId>",
                    "<uuid>564d0000-0000-4000-8000-00000000000b</uuid>" + uuid + "<guestId>");
  };
  const std::string made = create(with_uuid("new"));
  ASSERT_EQ(element(made, "state"), "success") << made;
  EXPECT_EQ(element(get({"VirtualMachine", "2"}, "config.uuid"), "val"),
            "564d0000-0000-4000-8000-00000000000b");
  const std::string twin = create(with_uuid("twin"));
  EXPECT_NE(twin.find("<invalidProperty>configSpec.instanceUuid"), std::string::npos) << twin;
  EXPECT_EQ(datacenter_->machines().size(), 2U);
  EXPECT_EQ(element(finish(call("Destroy_Task", {"VirtualMachine", "2"})), "state"), "success");
  EXPECT_EQ(element(create(with_uuid("again")), "state"), "success");
}

TEST_F(CreateTest, RefusesHardwareOfNewerHosts) {
  const auto of_version = [&](const std::string& version) {
    return replaced(config("of-" + version), "<guestId>", "<version>" + version + "</version><guestId>");
  };
  EXPECT_NE(create(of_version("vmx-19")).find("VirtualHardwareVersionNotSupported"), std::string::npos);
  EXPECT_EQ(element(create(of_version("vmx-14")), "state"), "success");
}

TEST_F(CreateTest, NobodyReachesAMachineOnTheIsolatedNetwork) {
  ASSERT_EQ(element(create(replaced(config(), ">VM Network<", ">Isolated<")), "state"), "success");
  const Reference vm{"VirtualMachine", "2"};
  const std::string devices = get(vm, "config.hardware.device");
  EXPECT_NE(devices.find("<deviceName>Isolated</deviceName>"), std::string::npos) << devices;
  EXPECT_NE(get(vm, "network").find(">HaNetwork-Isolated<"), std::string::npos);
  EXPECT_NE(get({"Network", "HaNetwork-Isolated"}, "vm").find(">2<"), std::string::npos);
  EXPECT_EQ(get({"Network", "HaNetwork-VM Network"}, "vm").find(">2<"), std::string::npos);
  EXPECT_EQ(element(get({"Network", "HaNetwork-Isolated"}, "name"), "val"), "Isolated");
  for (int i = 0; i < 2; ++i) {  // also after the server was started again
    EXPECT_EQ(element(finish(call("PowerOnVM_Task", vm)), "state"), "success");
    EXPECT_EQ(datacenter_->machines()[1].power, "poweredOn");
    EXPECT_EQ(datacenter_->machines()[1].host_port, 0);
    EXPECT_EQ(datacenter_->monitor("new", "info usernet").value().find("HOST_FORWARD"), std::string::npos);
    EXPECT_EQ(get(vm, "config.extraConfig").find("rekindle.sandbox.http"), std::string::npos);
    EXPECT_EQ(element(finish(call("PowerOffVM_Task", vm)), "state"), "success");
    restart_server();
    log_in();
  }
}

TEST_F(CreateTest, ForgetsAMachineWhoseMakingWasCutShort) {
  const auto half = folder_.path() / "datastore1/half";
  std::filesystem::create_directories(half);
  std::filesystem::create_directories(folder_.path() / "vms/7");
  ASSERT_TRUE(write_file_atomically(folder_.path() / "vms/7/making", "half").ok());
  restart_server();
  log_in();
  EXPECT_FALSE(std::filesystem::exists(half));
  EXPECT_EQ(element(create(config("half")), "state"), "success");
}

TEST_F(CreateTest, SaysThatAFileIsLockedWhileADiskIsWrittenOutside) {
  ASSERT_EQ(element(create(config()), "state"), "success");
  const Reference vm{"VirtualMachine", "2"};
  const DiskRequest request{"root",
                            "secret",
                            "2",
                            "[datastore1] new/new.vmdk",
                            folder_.path() / "nbd",
                            static_cast<int>(::getpid())};
  DiskRequest wrong = request;
  wrong.password = "wrong";
  EXPECT_EQ(datacenter_->open_disk(wrong).error().code(), ErrorCode::unauthenticated);
  wrong = request;
  wrong.file = "[datastore1] web/web.vmdk";
  EXPECT_EQ(datacenter_->open_disk(wrong).error().code(), ErrorCode::not_found);
  wrong.machine = "1";
  EXPECT_EQ(datacenter_->open_disk(wrong).error().code(), ErrorCode::unavailable) << "it runs";
  ASSERT_TRUE(datacenter_->open_disk(request).ok());
  EXPECT_EQ(datacenter_->machines()[1].open_disks, std::vector<std::string>{"[datastore1] new/new.vmdk"});
  for (const char* method : {"PowerOnVM_Task", "Destroy_Task"}) {
    const std::string refused = finish(call(method, vm));
    EXPECT_NE(refused.find("xsi:type=\"FileLocked\"><file>[datastore1] new/new.vmdk</file>"),
              std::string::npos)
        << refused;
  }
  ASSERT_TRUE(datacenter_->close_disk(request).ok());
  EXPECT_EQ(element(finish(call("Destroy_Task", vm)), "state"), "success");
}

}  // namespace
}  // namespace rekindle::sandbox
