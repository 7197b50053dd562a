#include "sandbox/datacenter/datacenter.h"

#include "sandbox/datacenter/datacenter_fixture.h"

namespace rekindle::sandbox {
namespace {

class SessionTest : public DatacenterFixture {};

TEST_F(SessionTest, SaysWhatItIsWithoutLogin) {
  const std::string content = call("RetrieveServiceContent", {"ServiceInstance", "ServiceInstance"});
  EXPECT_EQ(element(content, "apiType"), "HostAgent");
  EXPECT_EQ(element(content, "apiVersion"), "6.7");
  EXPECT_EQ(element(content, "rootFolder"), "ha-folder-root");
}

TEST_F(SessionTest, RefusesAWrongPassword) {
  const std::string refused = log_in("wrong");
  EXPECT_TRUE(refused.starts_with("500 ")) << refused;
  EXPECT_NE(refused.find("<InvalidLoginFault xmlns=\"urn:vim25\" xsi:type=\"InvalidLogin\"/>"),
            std::string::npos);
  EXPECT_TRUE(cookie_.empty());
}

TEST_F(SessionTest, WantsALoginForMethodsAndSaysSoPropertyByPropertyForReads) {
  EXPECT_NE(call_machine("PowerOnVM_Task").find("<NotAuthenticatedFault"), std::string::npos);
  const std::string read = get_machine("name");
  EXPECT_TRUE(read.starts_with("200 ")) << read;
  EXPECT_NE(read.find("<missingSet><path>name</path><fault><fault xsi:type=\"NotAuthenticated\">"),
            std::string::npos);
}

TEST_F(SessionTest, EndsWithLogoutAndWithTheServer) {
  log_in();
  EXPECT_EQ(element(get_machine("name"), "val"), "web");
  call("Logout", {"SessionManager", "ha-sessionmgr"});
  EXPECT_NE(get_machine("name").find("NotAuthenticated"), std::string::npos);
}

TEST_F(SessionTest, ExpiresAfterTheCallsItWasTold) {
  log_in();
  ASSERT_TRUE(datacenter_->set_faults({{"session_expires_after_calls", 2}}).ok());
  EXPECT_EQ(element(get_machine("name"), "val"), "web");
  EXPECT_NE(call_machine("PowerOffVM_Task").find("<NotAuthenticatedFault"), std::string::npos);
  log_in();
  EXPECT_EQ(element(get_machine("name"), "val"), "web");
}

TEST_F(SessionTest, DoesNotImplementTheRest) {
  log_in();
  const std::string answer = call_machine("ExportVm");
  EXPECT_TRUE(answer.starts_with("500 "));
  EXPECT_NE(answer.find("xsi:type=\"MethodNotFound\"><receiver type=\"VirtualMachine\">1</receiver>"
                        "<method>ExportVm</method>"),
            std::string::npos)
      << answer;
}

TEST_F(SessionTest, RefusesElementsOutOfTheOrderOfTheSchema) {
  log_in();
  const std::string answer =
      call_machine("CreateSnapshot_Task", "<quiesce>false</quiesce><name>dr</name><memory>false</memory>");
  EXPECT_NE(answer.find("xsi:type=\"InvalidRequest\""), std::string::npos) << answer;
}

TEST_F(SessionTest, RefusesWhatIsNotXml) {
  const auto answer = send("POST", "/sdk", {}, "hello <");
  EXPECT_EQ(answer->status, 500);
  EXPECT_NE(answer->body_text().find("InvalidRequest"), std::string::npos);
}

class PropertiesTest : public DatacenterFixture {
 protected:
  void SetUp() override {
    DatacenterFixture::SetUp();
    ASSERT_TRUE(datacenter_->add_machine({"db", {}, {capacity}, false, false, false}).ok());
    ASSERT_TRUE(datacenter_->add_machine({"mail", {}, {capacity}, false, false, false}).ok());
    log_in();
  }
  std::string view_of_machines() {
    return element(call("CreateContainerView", {"ViewManager", "ViewManager"},
                        "<container type=\"Folder\">ha-folder-root</container><type>VirtualMachine</type>"
                        "<recursive>true</recursive>"),
                   "returnval");
  }
  std::string machines_in(const std::string& view, const std::string& options) {
    return call(
        "RetrievePropertiesEx", {"PropertyCollector", "ha-property-collector"},
        "<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet><pathSet>runtime.powerState"
        "</pathSet></propSet><objectSet><obj type=\"ContainerView\">" +
            view +
            "</obj><skip>true</skip><selectSet x:type=\"TraversalSpec\" "
            "xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\"><name>v</name><type>ContainerView</type>"
            "<path>view</path><skip>false</skip></selectSet></objectSet></specSet><options>" +
            options + "</options>");
  }
};

TEST_F(PropertiesTest, ListsMachinesThroughAContainerView) {
  const std::string all = machines_in(view_of_machines(), "");
  EXPECT_EQ(count(all, "<objects>"), 3U) << all;
  EXPECT_NE(all.find("<name>name</name><val xsi:type=\"xsd:string\">db</val>"), std::string::npos);
  EXPECT_NE(all.find("<val xsi:type=\"VirtualMachinePowerState\">poweredOn</val>"), std::string::npos);
  EXPECT_EQ(all.find("<token>"), std::string::npos);
}

TEST_F(PropertiesTest, PagesByMaxObjects) {
  const std::string first = machines_in(view_of_machines(), "<maxObjects>2</maxObjects>");
  EXPECT_EQ(count(first, "<objects>"), 2U);
  const std::string token = element(first, "token");
  ASSERT_FALSE(token.empty());
  const Reference collector{"PropertyCollector", "ha-property-collector"};
  const std::string second = call("ContinueRetrievePropertiesEx", collector, "<token>" + token + "</token>");
  EXPECT_EQ(count(second, "<objects>"), 1U) << second;
  EXPECT_EQ(element(second, "token"), "");
  EXPECT_NE(
      call("ContinueRetrievePropertiesEx", collector, "<token>" + token + "</token>").find("InvalidArgument"),
      std::string::npos);
}

TEST_F(PropertiesTest, RefusesObjectsAndPropertiesThatDoNotExist) {
  EXPECT_NE(get({"VirtualMachine", "99"}, "name")
                .find("xsi:type=\"ManagedObjectNotFound\"><obj type=\"VirtualMachine\">"
                      "99</obj>"),
            std::string::npos);
  EXPECT_NE(get_machine("colour").find("xsi:type=\"InvalidProperty\"><name>colour</name>"),
            std::string::npos);
}

TEST_F(PropertiesTest, LeavesOutWhatIsNotSet) {
  const std::string answer = get_machine("snapshot");
  EXPECT_TRUE(answer.starts_with("200 "));
  EXPECT_EQ(answer.find("<propSet>"), std::string::npos);
}

TEST_F(PropertiesTest, ReportsOnlyWhatChangesAndWaitsForIt) {
  const std::string collector =
      element(call("CreatePropertyCollector", {"PropertyCollector", "ha-property-collector"}), "returnval");
  const Reference self{"PropertyCollector", collector};
  call("CreateFilter", self,
       "<spec><propSet><type>VirtualMachine</type><pathSet>name</pathSet><pathSet>runtime.powerState</"
       "pathSet></propSet>"
       "<objectSet><obj "
       "type=\"VirtualMachine\">1</obj></objectSet></spec><partialUpdates>false</partialUpdates>");
  const std::string first = call("WaitForUpdatesEx", self, "<version></version>");
  EXPECT_NE(first.find("<kind>enter</kind>"), std::string::npos) << first;
  const std::string version = "<version>" + element(first, "version") + "</version>";
  const std::string nothing =
      call("WaitForUpdatesEx", self, version + "<options><maxWaitSeconds>0</maxWaitSeconds></options>");
  EXPECT_EQ(nothing.find("<returnval>"), std::string::npos) << nothing;

  call_machine("PowerOffVM_Task");
  const std::string change =
      call("WaitForUpdatesEx", self, version + "<options><maxWaitSeconds>30</maxWaitSeconds></options>");
  EXPECT_NE(change.find("<kind>modify</kind>"), std::string::npos) << change;
  EXPECT_NE(change.find(">poweredOff</val>"), std::string::npos);
  EXPECT_EQ(change.find(">web</val>"), std::string::npos) << "its name did not change";
  EXPECT_NE(call("WaitForUpdatesEx", self, version).find("InvalidCollectorVersion"), std::string::npos);
  call("DestroyPropertyCollector", self);
  EXPECT_NE(call("CheckForUpdates", self, version).find("ManagedObjectNotFound"), std::string::npos);
}

TEST_F(PropertiesTest, FindsMachinesByUuidAndByPath) {
  const std::string uuid = element(get_machine("config.instanceUuid"), "val");
  const Reference index{"SearchIndex", "ha-searchindex"};
  EXPECT_EQ(
      element(call("FindByUuid", index,
                   "<uuid>" + uuid + "</uuid><vmSearch>true</vmSearch><instanceUuid>true</instanceUuid>"),
              "returnval"),
      "1");
  EXPECT_EQ(element(call("FindByInventoryPath", index, "<inventoryPath>ha-datacenter/vm/db</inventoryPath>"),
                    "returnval"),
            "2");
  const std::string none =
      call("FindByInventoryPath", index, "<inventoryPath>ha-datacenter/vm/x</inventoryPath>");
  EXPECT_TRUE(none.starts_with("200 "));
  EXPECT_EQ(none.find("<returnval"), std::string::npos);
}

TEST_F(PropertiesTest, DescribesDisksAsVmwareDoes) {
  const std::string devices = get_machine("config.hardware.device");
  EXPECT_NE(devices.find("<val xsi:type=\"ArrayOfVirtualDevice\"><VirtualDevice xsi:type="),
            std::string::npos);
  EXPECT_NE(devices.find("xsi:type=\"ParaVirtualSCSIController\""), std::string::npos);
  EXPECT_NE(devices.find(
                "xsi:type=\"VirtualDiskFlatVer2BackingInfo\"><fileName>[datastore1] web/web.vmdk</fileName>"),
            std::string::npos);
  EXPECT_EQ(element(devices, "capacityInBytes"), std::to_string(capacity));
  EXPECT_EQ(devices.find("<changeId>"), std::string::npos);
}

TEST(Datacenter, RefusesADirectoryThatAnotherServerHas) {
  const TemporaryDirectory folder = TemporaryDirectory::make("dc").value();
  DatacenterOptions options;
  options.directory = folder.path();
  const auto first = Datacenter::start(options);
  ASSERT_TRUE(first.ok());
  const auto second = Datacenter::start(options);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("another server has this datacenter"), std::string::npos);
}

}  // namespace
}  // namespace rekindle::sandbox
