// The variables of UEFI machines, at a server that says where they lie in every way there is, or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vmware/canned_vim_test.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto vm_files = "<val><vmPathName>[ds 1] web &amp; co/web.vmx</vmPathName></val>";

class VsphereNvramTest : public testing::Test {
 protected:
  void SetUp() override {
    server.types["vm-1"] = "VirtualMachine";
    server.properties["vm-1"] = {{"name", text_value("web")},
                                 {"config.instanceUuid", text_value("uuid-1")},
                                 {"config.firmware", text_value("efi")},
                                 {"config.files", vm_files},
                                 {"runtime.powerState", text_value("poweredOff")},
                                 {"datastore", reference("ManagedObjectReference", "Datastore", "ds-1")}};
    add_place("ds-1", "ds 1", "Folder", "f-1");
    add_place("f-1", "datastore", "Datacenter", "dc-1");
    add_place("dc-1", "DC", "Folder", "root-1");
    say_name("web.nvram");
    site = VsphereSite::connect(canned_options(), server, clock, random).value();
    server.folder = [this](const HttpRequest& request) {
      requests.push_back(request.method + " " + request.url);
      if (request.method == "PUT") uploaded = std::string(request.body_text());
      return request.method == "GET" ? HttpResponse{100, {}, {}} : HttpResponse{status_of_changes, {}, {}};
    };
    wanted.machine.name = "web";
    wanted.machine.firmware = Firmware::uefi;
    wanted.token = "token-1";
    wanted.firmware_variables = to_bytes(as_bytes("variables"));
  }
  static std::string reference(const std::string& element, const std::string& type, const std::string& id) {
    return fmt::format("<val><{0} type=\"{1}\">{2}</{0}></val>", element, type, id);
  }
  void add_place(const std::string& object, const std::string& name, const std::string& parent_type,
                 const std::string& parent) {
    server.properties[object] = {{"name", text_value(name)},
                                 {"parent", fmt::format("<val type=\"{}\">{}</val>", parent_type, parent)}};
  }
  static std::string option(const std::string& key, const std::string& value) {
    return fmt::format("<OptionValue><key>{}</key><value>{}</value></OptionValue>", key, value);
  }
  // As the machine's configuration names the file; empty: it does not.
  void say_name(const std::string& name) {
    server.properties["vm-1"]["config.extraConfig"] = "<val>" + option("rekindle.token", "token-1") +
                                                      (name.empty() ? "" : option("nvram", name)) + "</val>";
  }
  Result<std::string> read() {
    const Bytes variables = TRY(site->firmware_variables(MachineId("uuid-1")));
    return std::string(as_text(variables));
  }

  CannedVim server;
  ManualClock clock{Time{}};
  SeededRandom random{1};
  std::unique_ptr<VsphereSite> site;
  NewMachine wanted;
  std::vector<std::string> requests;
  std::string uploaded;
  int status_of_changes = 201;
};

constexpr auto url_of_web = "https://vc/folder/web%20%26%20co/web.nvram?dcPath=DC&dsName=ds%201";

TEST_F(VsphereNvramTest, AreReadFromTheFileThatTheConfigurationNames) {
  server.files["[ds 1] web & co/web.nvram"] = "boot entries";
  const auto variables = read();
  ASSERT_TRUE(variables.ok()) << variables.error().message();
  EXPECT_EQ(*variables, "boot entries");
  EXPECT_THAT(requests, ElementsAre(std::string("GET ") + url_of_web));
}

TEST_F(VsphereNvramTest, AreReadWhereTheServerListsTheFile) {
  server.files["[ds 2] elsewhere/web.nvram"] = "boot entries";
  add_place("ds-1", "ds 2", "Folder", "f-1");
  server.properties["vm-1"]["layoutEx"] =
      "<val><file><name>[ds 2] elsewhere/web.vmx</name><type>config</type></file>"
      "<file><name>[ds 2] elsewhere/web.nvram</name><type>nvram</type></file></val>";
  for (const char* name : {"", "/vmfs/volumes/5f/web.nvram"}) {
    say_name(name);
    const auto variables = read();
    ASSERT_TRUE(variables.ok()) << variables.error().message();
    EXPECT_EQ(*variables, "boot entries");
  }
  server.properties["vm-1"].erase("layoutEx");
  EXPECT_EQ(read().error().code(), ErrorCode::not_found);
}

TEST_F(VsphereNvramTest, OfABiosMachineAreNotLookedFor) {
  server.properties["vm-1"]["config.firmware"] = text_value("bios");
  EXPECT_EQ(read().value(), "");
  EXPECT_TRUE(requests.empty());
}

TEST_F(VsphereNvramTest, AreNotTakenFromWhatIsNoNvram) {
  server.files["[ds 1] web & co/web.nvram"] = std::string(most_firmware_variables_bytes, 'x');
  EXPECT_EQ(read()->size(), most_firmware_variables_bytes);
  server.files["[ds 1] web & co/web.nvram"] += "x";
  EXPECT_EQ(read().error().code(), ErrorCode::corrupt);
  server.files["[ds 1] web & co/web.nvram"] = "";
  EXPECT_EQ(read().error().code(), ErrorCode::corrupt);
  say_name("../other/other.nvram");
  EXPECT_THAT(read().error().message(), HasSubstr("does not name a file"));
}

TEST_F(VsphereNvramTest, SayWhatTheAccountLacks) {
  server.folder = [](const HttpRequest&) { return HttpResponse{403, {}, {}}; };
  const Error error = read().error();
  EXPECT_EQ(error.code(), ErrorCode::permission_denied);
  EXPECT_THAT(error.message(), HasSubstr("Datastore.FileManagement"));
  server.folder = nullptr;
  EXPECT_EQ(read().error().code(), ErrorCode::not_found);
}

TEST_F(VsphereNvramTest, ThatTheHostKeepsLockedSayWhenTheyCanBeRead) {
  server.folder = [](const HttpRequest&) { return HttpResponse{500, {}, {}}; };
  const Error error = read().error();
  EXPECT_EQ(error.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(error.message(), HasSubstr("while it is off"));
}

TEST_F(VsphereNvramTest, AreGivenToTheMachineThatWasMade) {
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_THAT(requests, ElementsAre(std::string("PUT ") + url_of_web));
  EXPECT_EQ(uploaded, "variables");
  EXPECT_EQ(server.count("ReconfigVM_Task"), 0) << "it names the file already";
}

TEST_F(VsphereNvramTest, AreNamedInAMachineThatNamesNone) {
  say_name("");
  ASSERT_TRUE(site->create_machine(wanted).ok());
  EXPECT_THAT(requests, ElementsAre(std::string("PUT ") + url_of_web));
  ASSERT_EQ(server.count("ReconfigVM_Task"), 1);
  const auto change = std::ranges::find_if(server.bodies, [](const std::string& body) {
    return body.find("<ReconfigVM_Task") != std::string::npos;
  });
  EXPECT_THAT(*change, HasSubstr("<spec><extraConfig><key>nvram</key><value xsi:type=\"xsd:string\">web.nvram"
                                 "</value></extraConfig></spec>"));
}

TEST_F(VsphereNvramTest, ThatCannotBeGivenAreNoReasonToRefuseTheMachine) {
  status_of_changes = 403;
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(*made, MachineId("uuid-1"));
  EXPECT_THAT(requests, ElementsAre(std::string("PUT ") + url_of_web)) << "an earlier call's may be there";
}

TEST_F(VsphereNvramTest, OfWhichAPartMayHaveBeenWrittenAreRemoved) {
  status_of_changes = 500;
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_THAT(requests, ElementsAre(std::string("PUT ") + url_of_web, std::string("DELETE ") + url_of_web));
}

TEST_F(VsphereNvramTest, ThatMayBeGivenAtTheNextAttemptAreAnError) {
  status_of_changes = 503;
  const auto made = site->create_machine(wanted);
  ASSERT_FALSE(made.ok());
  EXPECT_TRUE(made.error().transient()) << made.error().message();
  EXPECT_THAT(requests, Contains(std::string("DELETE ") + url_of_web));
  status_of_changes = 201;
  EXPECT_EQ(site->create_machine(wanted).value(), MachineId("uuid-1"));
  EXPECT_EQ(uploaded, "variables");
}

TEST_F(VsphereNvramTest, AreNotPutUnderAMachineThatRuns) {
  server.properties["vm-1"]["runtime.powerState"] = text_value("poweredOn");
  EXPECT_TRUE(site->create_machine(wanted).ok());
  EXPECT_TRUE(requests.empty());
}

TEST_F(VsphereNvramTest, ThatAreNotKnownAreNotGiven) {
  wanted.firmware_variables.clear();
  EXPECT_TRUE(site->create_machine(wanted).ok());
  wanted.firmware_variables = to_bytes(as_bytes("variables"));
  wanted.machine.firmware = Firmware::bios;
  EXPECT_TRUE(site->create_machine(wanted).ok());
  EXPECT_TRUE(requests.empty());
}

}  // namespace
}  // namespace rekindle
