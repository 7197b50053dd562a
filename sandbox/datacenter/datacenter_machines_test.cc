// Snapshots, changed blocks, downloads, faults and disasters, as a client of the API sees them.
#include "sandbox/datacenter/datacenter_fixture.h"

namespace rekindle::sandbox {
namespace {

class ApiTest : public DatacenterFixture {
 protected:
  void SetUp() override {
    DatacenterFixture::SetUp();
    log_in();
  }
};

TEST_F(ApiTest, ShowsASnapshotsFrozenDiskAndTheDeltaOnTop) {
  const std::string id = snapshot();
  EXPECT_EQ(id, "1-snapshot-1");
  const std::string machine = get_machine("config.hardware.device");
  EXPECT_NE(machine.find("<fileName>[datastore1] web/web-000001.vmdk</fileName>"), std::string::npos);
  EXPECT_NE(machine.find("<parent><fileName>[datastore1] web/web.vmdk</fileName>"), std::string::npos)
      << machine;
  const std::string frozen = get({"VirtualMachineSnapshot", id}, "config.hardware.device");
  EXPECT_NE(frozen.find("<fileName>[datastore1] web/web.vmdk</fileName>"), std::string::npos);
  EXPECT_EQ(frozen.find("<parent>"), std::string::npos);
  EXPECT_EQ(element(get_machine("snapshot.currentSnapshot"), "val"), id);
  EXPECT_EQ(element(element(get_machine("snapshot"), "rootSnapshotList"), "name"), "dr");
  EXPECT_EQ(element(remove(id), "state"), "success");
  EXPECT_NE(get({"VirtualMachineSnapshot", id}, "config").find("ManagedObjectNotFound"), std::string::npos);
}

TEST_F(ApiTest, NamesTheMachineAsTheEntityOfATask) {
  const std::string info = remove(snapshot());
  EXPECT_NE(info.find("<entity type=\"VirtualMachine\">1</entity>"), std::string::npos) << info;
  EXPECT_EQ(element(info, "descriptionId"), "VirtualMachineSnapshot.remove");
}

TEST_F(ApiTest, PagesChangedAreasUntilTheEndOfTheDisk) {
  enable_tracking();
  const std::string first = snapshot();
  const std::string since = change_id(first);
  ASSERT_FALSE(since.empty());
  for (const int at : {1, 5, 10, 20, 50}) guest_writes(0x22, at);
  remove(first);
  const std::string second = snapshot();
  std::uint64_t offset = 0;
  std::vector<std::uint64_t> starts;
  int replies = 0;
  while (offset < capacity) {
    const std::string page = changed(second, since, offset);
    ASSERT_TRUE(page.starts_with("200 ")) << page;
    EXPECT_EQ(element(page, "startOffset"), std::to_string(offset));
    EXPECT_LE(count(page, "<changedArea>"), 2U);
    for (auto at = page.find("<start>"); at != std::string::npos; at = page.find("<start>", at + 1)) {
      starts.push_back(std::stoull(page.substr(at + 7)));
    }
    const std::uint64_t length = std::stoull(element(page, "length"));
    ASSERT_GT(length, 0U);
    offset += length;
    ++replies;
  }
  EXPECT_EQ(offset, capacity);
  EXPECT_EQ(replies, 3);
  EXPECT_EQ(starts, (std::vector<std::uint64_t>{1 * mib, 5 * mib, 10 * mib, 20 * mib, 50 * mib}));
}

TEST_F(ApiTest, RefusesQuestionsAboutChangesAsEsxiDoes) {
  enable_tracking();
  const std::string id = snapshot();
  EXPECT_NE(changed(id, change_id(id), capacity).find("xsi:type=\"InvalidArgument\""), std::string::npos);
  EXPECT_NE(changed(id, change_id(id), 0, 2009).find("<invalidProperty>deviceKey</invalidProperty>"),
            std::string::npos);
  EXPECT_NE(changed(id, "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/1")
                .find("xsi:type=\"FileFault\"><file>"
                      "[datastore1] web/web.vmdk</file>"),
            std::string::npos);
  EXPECT_NE(changed("1-snapshot-99", "*").find("ManagedObjectNotFound"), std::string::npos);
  EXPECT_TRUE(changed(id, "*").starts_with("200 "));
}

TEST_F(ApiTest, ForgetsChangeIdsWhenTrackingIsReset) {
  enable_tracking();
  const std::string first = snapshot();
  const std::string since = change_id(first);
  remove(first);
  ASSERT_TRUE(datacenter_->reset_change_tracking("web").ok());
  EXPECT_NE(changed(snapshot(), since).find("FileFault"), std::string::npos);
}

TEST_F(ApiTest, RefusesPowerOperationsInTheWrongState) {
  const std::string on = finish(call_machine("PowerOnVM_Task"));
  EXPECT_EQ(element(on, "state"), "error");
  EXPECT_NE(on.find("xsi:type=\"InvalidPowerState\""), std::string::npos);
  EXPECT_EQ(element(on, "existingState"), "poweredOn");
  EXPECT_NE(finish(call_machine("Destroy_Task")).find("InvalidPowerState"), std::string::npos);
  EXPECT_EQ(element(finish(call_machine("SuspendVM_Task")), "state"), "success");
  EXPECT_EQ(element(get_machine("runtime.powerState"), "val"), "suspended");
  EXPECT_EQ(element(finish(call_machine("PowerOnVM_Task")), "state"), "success");
  EXPECT_EQ(element(finish(call_machine("PowerOffVM_Task")), "state"), "success");
  EXPECT_EQ(element(finish(call_machine("Destroy_Task")), "state"), "success");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "datastore1/web"));
}

TEST_F(ApiTest, RunsOneTaskOfAMachineAtATimeAndCancelsOneThatWaits) {
  ASSERT_TRUE(datacenter_->set_faults({{"slow_tasks_ms", 60000}}).ok());
  const std::string slow = call_machine("PowerOffVM_Task");
  ASSERT_TRUE(datacenter_->set_faults({{"slow_tasks_ms", 0}}).ok());
  const std::string other = finish(call_machine("SuspendVM_Task"));
  EXPECT_NE(other.find("xsi:type=\"TaskInProgress\""), std::string::npos) << other;
  call("CancelTask", {"Task", element(slow, "returnval")});
  EXPECT_NE(finish(slow).find("xsi:type=\"RequestCanceled\""), std::string::npos);
  EXPECT_EQ(element(get_machine("runtime.powerState"), "val"), "poweredOn");
}

TEST_F(ApiTest, LeavesConsolidationNeededWhenARemovalFails) {
  const std::string id = snapshot();
  guest_writes(0x22, 3);
  ASSERT_TRUE(datacenter_->set_faults({{"fail_snapshot_removals", 1}}).ok());
  EXPECT_NE(remove(id).find("xsi:type=\"FileLocked\""), std::string::npos);
  EXPECT_EQ(element(get_machine("runtime.consolidationNeeded"), "val"), "true");
  EXPECT_EQ(element(finish(call_machine("ConsolidateVMDisks_Task")), "state"), "success");
  EXPECT_EQ(element(get_machine("runtime.consolidationNeeded"), "val"), "false");
  EXPECT_NE(get_machine("config.hardware.device").find("web/web.vmdk</fileName>"), std::string::npos);
}

TEST_F(ApiTest, RefusesToQuiesceWhenTold) {
  ASSERT_TRUE(datacenter_->set_faults({{"refuse_quiesce", true}}).ok());
  const std::string info = finish(
      call_machine("CreateSnapshot_Task", "<name>dr</name><memory>false</memory><quiesce>true</quiesce>"));
  EXPECT_NE(info.find("xsi:type=\"ApplicationQuiesceFault\""), std::string::npos) << info;
  EXPECT_EQ(get_machine("snapshot").find("<propSet>"), std::string::npos);
}

TEST_F(ApiTest, DoesNotDoACallThatFailsAndDoesOneWhoseResponseIsLost) {
  ASSERT_TRUE(datacenter_->set_faults({{"fail_calls", {{"CreateSnapshot_Task", 1}}}}).ok());
  const std::string parameters = "<name>dr</name><memory>false</memory><quiesce>false</quiesce>";
  EXPECT_TRUE(call_machine("CreateSnapshot_Task", parameters).starts_with("503 "));
  EXPECT_EQ(get_machine("snapshot").find("<propSet>"), std::string::npos);
  ASSERT_TRUE(datacenter_->set_faults({{"lose_responses", {{"CreateSnapshot_Task", 1}}}}).ok());
  EXPECT_EQ(call_machine("CreateSnapshot_Task", parameters), "");
  for (int i = 0; i < 1000 && get_machine("snapshot").find("<propSet>") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_NE(get_machine("snapshot").find("1-snapshot-1"), std::string::npos);
}

TEST_F(ApiTest, RefusesFaultsItDoesNotKnow) {
  EXPECT_EQ(datacenter_->set_faults({{"burn", true}}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(datacenter_->set_faults({{"slow_tasks_ms", "much"}}).error().code(), ErrorCode::invalid_argument);
}

TEST_F(ApiTest, LosesAMachineThatIsDeletedMidway) {
  snapshot();
  ASSERT_TRUE(datacenter_->delete_machine("web").ok());
  EXPECT_NE(get_machine("name").find("ManagedObjectNotFound"), std::string::npos);
  EXPECT_EQ(download("web-flat.vmdk")->status, 404);
  EXPECT_EQ(datacenter_->delete_machine("web").error().code(), ErrorCode::not_found);
}

TEST_F(ApiTest, ServesRangesOfTheFrozenDisk) {
  guest_writes(0x11, 1);
  snapshot();
  guest_writes(0x22, 1);
  const auto part = download("web-flat.vmdk", {{"Range", "bytes=1048576-1048579"}});
  EXPECT_EQ(part->status, 206);
  EXPECT_EQ(part->body, Bytes(4, std::byte{0x11}));
  EXPECT_EQ(part->headers.get("Content-Range"), fmt::format("bytes 1048576-1048579/{}", capacity));
  EXPECT_FALSE(part->headers.has("Accept-Ranges"));
  const auto tail = download("web-flat.vmdk", {{"Range", "bytes=-8"}});
  EXPECT_EQ(tail->body.size(), 8U);
  const auto head = download("web-flat.vmdk", {}, "HEAD");
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->headers.get("Content-Length"), std::to_string(capacity));
  EXPECT_EQ(download("web-flat.vmdk", {{"Range", fmt::format("bytes={}-", capacity)}})->status, 416);
}

TEST_F(ApiTest, ServesOnlyFilesOfTheDatastoreToThoseItKnows) {
  EXPECT_NE(download("web.vmx")->body_text().find("displayName = \"web\""), std::string::npos);
  EXPECT_NE(download("web.vmdk")->body_text().find("VMFS \"web-flat.vmdk\""), std::string::npos);
  EXPECT_EQ(download("..%2f..%2fdatacenter.json")->status, 404);
  EXPECT_EQ(send("GET", "/folder/web/web.vmx?dcPath=other&dsName=datastore1")->status, 404);
  cookie_.clear();
  EXPECT_EQ(download("web.vmx")->status, 401);
  EXPECT_EQ(download("web.vmx", {{"Authorization", "Basic " + to_base64(as_bytes("root:secret"))}})->status,
            200);
  EXPECT_EQ(download("web.vmx", {{"Authorization", "Basic " + to_base64(as_bytes("root:wrong"))}})->status,
            401);
}

TEST_F(ApiTest, LocksTheFlatFileOfARunningMachineOnVmfs) {
  options_.mode = DatacenterOptions::Mode::vmfs;
  restart_server();
  log_in();
  EXPECT_EQ(download("web-flat.vmdk", {{"Range", "bytes=0-9"}})->status, 500);
  EXPECT_EQ(download("web.vmx")->status, 200);
  finish(call_machine("PowerOffVM_Task"));
  EXPECT_EQ(download("web-flat.vmdk", {{"Range", "bytes=0-9"}})->status, 206);
}

TEST_F(ApiTest, KeepsEverythingOverARestartOfTheServer) {
  enable_tracking();
  const std::string first = snapshot();
  const std::string since = change_id(first);
  const std::uint16_t port = datacenter_->port();
  const std::string thumbprint = datacenter_->thumbprint();
  guest_writes(0x22, 4);
  restart_server();
  EXPECT_EQ(datacenter_->port(), port);
  EXPECT_EQ(datacenter_->thumbprint(), thumbprint);
  log_in();
  EXPECT_EQ(element(get_machine("runtime.powerState"), "val"), "poweredOn");
  EXPECT_EQ(element(get_machine("snapshot.currentSnapshot"), "val"), first);
  remove(first);
  const std::string page = changed(snapshot(), since);
  EXPECT_EQ(element(page, "start"), std::to_string(4 * mib)) << page;
}

TEST_F(ApiTest, AnswersNothingAfterADisasterUntilItIsRevived) {
  const auto client = DatacenterClient::connect(folder_.path());
  ASSERT_TRUE(client.ok()) << client.error().message();
  const pid_t pid = datacenter_->machines()[0].pid;
  ASSERT_TRUE(datacenter_->disaster().ok());
  EXPECT_FALSE(process_lives(pid, "qemu"));
  EXPECT_EQ(get_machine("name"), "");
  EXPECT_TRUE(client->machines().error().transient());
  datacenter_.reset();
  const auto refused = Datacenter::start(options_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  options_.revive = true;
  restart_server();
  log_in();
  EXPECT_EQ(element(get_machine("runtime.powerState"), "val"), "poweredOff");
}

TEST_F(ApiTest, LeavesNothingOfAMachineThatCannotBeMade) {
  const auto guest = folder_.path() / "guest";
  ASSERT_TRUE(make_directories(guest).ok());
  ASSERT_TRUE(write_file_atomically(guest / "guest.json", R"({"firmware": "bios", "disk_controller": "pvscsi",
      "memory_mib": -1, "vcpus": 1, "guest_id": "otherLinux64Guest", "http_port": 80})")
                  .ok());
  ASSERT_TRUE(write_file_atomically(guest / "disk.raw", std::string(65536, 'x')).ok());
  const auto refused = datacenter_->add_machine({"bad", guest, {}, true, true, true});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("QEMU ended at once"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(datacenter_->machines().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "datastore1/bad"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "vms/2"));
}

TEST_F(ApiTest, MakesAMachineOfEveryDiskOfItsGuest) {
  const auto guest = folder_.path() / "guest";
  ASSERT_TRUE(make_directories(guest).ok());
  ASSERT_TRUE(write_file_atomically(guest / "guest.json",
                                    R"({"firmware": "bios", "disk_controller": "pvscsi", "disks": 2,
      "memory_mib": 32, "vcpus": 1, "guest_id": "otherLinux64Guest", "http_port": 80})")
                  .ok());
  ASSERT_TRUE(write_file_atomically(guest / "disk.raw", std::string(65536, 'x')).ok());
  const auto lacking = datacenter_->add_machine({"two", guest, {}, false, false, true});
  ASSERT_FALSE(lacking.ok());
  EXPECT_NE(lacking.error().message().find("disk1.raw"), std::string::npos) << lacking.error().message();

  ASSERT_TRUE(write_file_atomically(guest / "disk1.raw", std::string(131072, 'y')).ok());
  const auto added = datacenter_->add_machine({"two", guest, {65536}, false, false, true});
  ASSERT_TRUE(added.ok()) << added.error().message();
  const auto home = folder_.path() / "datastore1/two";
  EXPECT_EQ(read_text_file(home / "two-flat.vmdk").value(), std::string(65536, 'x'));
  EXPECT_EQ(read_text_file(home / "two_1-flat.vmdk").value(), std::string(131072, 'y'));
  EXPECT_EQ(read_text_file(home / "two_2-flat.vmdk").value(), std::string(65536, '\0'))
      << "an empty one that the spec asked for comes after the guest's";
}

TEST_F(ApiTest, KeepsTheFilesOfAnUnregisteredMachine) {
  EXPECT_NE(call_machine("UnregisterVM").find("InvalidPowerState"), std::string::npos);
  finish(call_machine("PowerOffVM_Task"));
  EXPECT_TRUE(call_machine("UnregisterVM").starts_with("200 "));
  EXPECT_EQ(datacenter_->machines().size(), 0U);
  EXPECT_EQ(download("web-flat.vmdk", {{"Range", "bytes=0-9"}})->status, 206);
  EXPECT_EQ(datacenter_->add_machine({"web", {}, {capacity}, false, false, false}).error().code(),
            ErrorCode::already_exists);
}

TEST_F(ApiTest, IsAdministeredFromAnotherProcess) {
  const auto client = DatacenterClient::connect(folder_.path()).value();
  EXPECT_EQ(client.url(), datacenter_->url());
  ASSERT_TRUE(client.add_machine({"db", {}, {capacity}, false, false, false}).ok());
  EXPECT_EQ(client.machines()->size(), 2U);
  EXPECT_EQ(client.add_machine({"db", {}, {capacity}, false, false, false}).error().code(),
            ErrorCode::already_exists);
  EXPECT_EQ(client.add_machine({"../x", {}, {capacity}, false, false, false}).error().code(),
            ErrorCode::invalid_argument);
  EXPECT_EQ(client.add_machine({"x", "/nonexistent", {}, false, false, false}).error().code(),
            ErrorCode::not_found);
  EXPECT_TRUE(client.set_faults({{"slow_tasks_ms", 1}}).ok());
  EXPECT_TRUE(client.delete_machine("db").ok());
  EXPECT_EQ(client.delete_machine("db").error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle::sandbox
