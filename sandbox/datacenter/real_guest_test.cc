// A Debian that boots on VMware's hardware. Slow the first time, when its state is made: the boot of an
// emulated CPU.
#include "sandbox/datacenter/datacenter_fixture.h"

namespace rekindle::sandbox {
namespace {

class RealGuestTest : public DatacenterFixture, public testing::WithParamInterface<const char*> {
 protected:
  Result<std::string> ask_guest(const std::string& path) {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", datacenter_->machines()[1].host_port, path);
    const HttpResponse answer = TRY(CurlTransport().send(request));
    return std::string(answer.body_text());
  }
  // The number of the last line that is durable.
  int ledger() {
    const auto line = ask_guest("/ledger?last=1");
    EXPECT_TRUE(line.ok()) << line.error().message();
    return line.ok() ? std::atoi(line->c_str()) : -1;
  }
  void expect_ledger_to_grow() {
    const int before = ledger();
    for (int i = 0; i < 300 && ledger() <= before; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_GT(ledger(), before);
  }
  std::string act(const std::string& method, const std::string& parameters = "") {
    return finish(call(method, {"VirtualMachine", "2"}, parameters));
  }
  std::string snapshot_guest() {
    const std::string info =
        act("CreateSnapshot_Task", "<name>dr</name><memory>false</memory><quiesce>false</quiesce>");
    EXPECT_EQ(element(info, "state"), "success") << info;
    return element(info, "result");
  }
  static std::string digest_of(const std::filesystem::path& file) {
    return run_tool({"sha256sum", file.string()}).value().substr(0, 64);
  }
};

TEST_P(RealGuestTest, RunsFromItsSavedStateAndGoesOnThroughSnapshots) {
  const auto guest = run_process({"sandbox/guests/build", GetParam()});
  if (!guest.ok() || guest->exit_status != 0) {
    GTEST_SKIP() << "the guest cannot be built here: " << (guest.ok() ? guest->err : guest.error().message());
  }
  const std::filesystem::path directory = guest->out.substr(0, guest->out.find('\n'));
  const auto prepared = prepare_saved_state(directory);
  ASSERT_TRUE(prepared.ok()) << prepared.error().message();
  const auto start = std::chrono::steady_clock::now();
  const auto added = datacenter_->add_machine({"guest", directory, {}, true, true, true});
  ASSERT_TRUE(added.ok()) << added.error().message();
  EXPECT_EQ(ask_guest("/ready").value(), "ok\n");
  const auto took = std::chrono::steady_clock::now() - start;
  RecordProperty("resume_ms",
                 std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  expect_ledger_to_grow();

  log_in();
  act("ReconfigVM_Task", "<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>");
  const std::string first = snapshot_guest();
  const auto flat = folder_.path() / "datastore1/guest/guest-flat.vmdk";
  const std::string frozen = digest_of(flat);
  const std::string since = change_id(first);
  expect_ledger_to_grow();
  EXPECT_EQ(digest_of(flat), frozen) << "the guest writes to the delta only";
  EXPECT_EQ(element(remove(first), "state"), "success");
  EXPECT_NE(digest_of(flat), frozen);
  expect_ledger_to_grow();

  const std::string second = snapshot_guest();
  const std::string changes =
      call("QueryChangedDiskAreas", {"VirtualMachine", "2"},
           "<snapshot type=\"VirtualMachineSnapshot\">" + second +
               "</snapshot><deviceKey>2000</deviceKey><startOffset>0</startOffset><changeId>" + since +
               "</changeId>");
  EXPECT_GT(count(changes, "<changedArea>"), 0U) << changes;
  EXPECT_EQ(element(remove(second), "state"), "success");
  const int last = ledger();
  EXPECT_EQ(element(act("SuspendVM_Task"), "state"), "success");
  EXPECT_EQ(element(act("PowerOnVM_Task"), "state"), "success");
  EXPECT_GE(ledger(), last);
  expect_ledger_to_grow();
}

INSTANTIATE_TEST_SUITE_P(, RealGuestTest, testing::Values("bios", "uefi"),
                         [](const auto& variant) { return std::string(variant.param); });

}  // namespace
}  // namespace rekindle::sandbox
