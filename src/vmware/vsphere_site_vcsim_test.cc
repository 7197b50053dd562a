// VsphereSite against vcsim, which nobody here wrote. It has no disk contents and no change tracking; the
// rest it has.
#include <gtest/gtest.h>

#include "net/curl_transport.h"
#include "vmware/vcsim_test.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

constexpr RetryPolicy quick{.attempts = 3, .first_pause = std::chrono::milliseconds(1)};

// Forwards, and can put a cookie of its own in the place of the session's: what an expired session looks
// like.
class TamperingTransport final : public HttpTransport {
 public:
  explicit TamperingTransport(const TlsTrust& trust) : inner_(trust) {}

  Result<HttpResponse> send(const HttpRequest& request) override {
    HttpRequest tampered = request;
    if (request.headers.has("Cookie") && std::exchange(spoil_next_, false)) {
      tampered.headers.set("Cookie", "vmware_soap_session=expired");
    }
    if (request.body_text().find("<Login ") != std::string_view::npos) ++logins;
    if (request.body_text().find("<Logout ") != std::string_view::npos) ++logouts;
    auto answer = inner_.send(tampered);
    const bool lose =
        !lose_answer_to_.empty() && request.body_text().find(lose_answer_to_) != std::string_view::npos;
    if (!lose) return answer;
    lose_answer_to_.clear();
    return Error(ErrorCode::unavailable, "connection reset");
  }

  void expire_session() { spoil_next_ = true; }
  void lose_answer_to(std::string method) { lose_answer_to_ = "<" + std::move(method) + " "; }

  int logins = 0;
  int logouts = 0;

 private:
  CurlTransport inner_;
  bool spoil_next_ = false;
  std::string lose_answer_to_;
};

class VsphereSiteOnVcsim : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_VCSIM();
    std::vector<std::string> flags;
    if (std::string_view(GetParam()) == "esx") flags = {"-esx"};
    auto started = Vcsim::start(flags);
    ASSERT_TRUE(started.ok()) << started.error().message();
    vcsim = *std::move(started);
    const auto answered = VsphereSite::probe(vcsim->url());
    ASSERT_TRUE(answered.ok()) << answered.error().message();
    probe = *answered;
    transport = std::make_unique<TamperingTransport>(TlsTrust{TlsTrust::Kind::thumbprint, probe.thumbprint});
    auto connected = connect(Vcsim::password);
    ASSERT_TRUE(connected.ok()) << connected.error().message();
    site = *std::move(connected);
  }

  Result<std::unique_ptr<VsphereSite>> connect(const std::string& password) {
    VsphereOptions options;
    options.url = vcsim->url();
    options.user = Vcsim::user;
    options.password = password;
    options.retry = quick;
    options.busy_retry = quick;
    options.disk_command = "serve {socket}";  // that nobody calls
    return VsphereSite::connect(options, *transport, clock, random);
  }

  Machine first_machine() { return site->machines().value().front(); }
  bool is_esx() const { return std::string_view(GetParam()) == "esx"; }

  std::unique_ptr<Vcsim> vcsim;
  VsphereProbe probe;
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<TamperingTransport> transport;
  std::unique_ptr<VsphereSite> site;
};

INSTANTIATE_TEST_SUITE_P(Kinds, VsphereSiteOnVcsim, testing::Values("vcenter", "esx"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(VsphereSiteOnVcsim, ProbesWhoTheServerIsWithoutCredentials) {
  EXPECT_EQ(probe.about.api_type, is_esx() ? "HostAgent" : "VirtualCenter");
  EXPECT_EQ(probe.about.version, "6.5.0");
  EXPECT_EQ(probe.thumbprint.size(), 64U);
  EXPECT_EQ(site->about().name, probe.about.name);
}

TEST_P(VsphereSiteOnVcsim, ListsMachinesWithTheirDisksAndNetworkCards) {
  const auto machines = site->machines();
  ASSERT_TRUE(machines.ok()) << machines.error().message();
  ASSERT_EQ(machines->size(), is_esx() ? 2U : 4U);
  const Machine& machine = machines->front();
  EXPECT_EQ(machine.name, is_esx() ? "ha-host_VM0" : "DC0_C0_RP0_VM0");
  EXPECT_EQ(machine.id.str().size(), 36U);  // a UUID
  EXPECT_EQ(machine.power, PowerState::on);
  EXPECT_GT(machine.memory_mib, 0U);
  EXPECT_EQ(machine.refused_because, "");
  ASSERT_EQ(machine.disks.size(), 1U);
  EXPECT_GT(machine.disks[0].size_bytes, 0U);
  EXPECT_FALSE(machine.disks[0].id.empty());
  ASSERT_EQ(machine.nics.size(), 1U);
  EXPECT_EQ(machine.nics[0].mac_address.size(), 17U);
  const auto again = site->machine(machine.id);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->name, machine.name);
}

TEST_P(VsphereSiteOnVcsim, MachinesWithABiosHaveNoVariables) {
  const auto variables = site->firmware_variables(first_machine().id);
  ASSERT_TRUE(variables.ok()) << variables.error().message();
  EXPECT_TRUE(variables->empty());
}

TEST_P(VsphereSiteOnVcsim, SaysThatAMachineDoesNotExist) {
  const auto machine = site->machine(MachineId("b2fd5e0a-0000-4000-8000-000000000000"));
  ASSERT_FALSE(machine.ok());
  EXPECT_EQ(machine.error().code(), ErrorCode::not_found);
}

TEST_P(VsphereSiteOnVcsim, MakesFindsAndRemovesASnapshot) {
  const Machine machine = first_machine();
  const auto made = site->create_snapshot(machine.id, "first & <only>");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->name, "first & <only>");
  EXPECT_EQ(made->machine.id, machine.id);
  EXPECT_EQ(made->machine.name, machine.name);
  EXPECT_EQ(made->machine.power, PowerState::on);
  ASSERT_EQ(made->disks.size(), 1U);
  EXPECT_EQ(made->disks[0].disk, machine.disks[0].id);
  EXPECT_EQ(made->disks[0].size_bytes, machine.disks[0].size_bytes);
  EXPECT_EQ(made->disks[0].change_id, "");  // vcsim does not track

  const auto listed = site->snapshots(machine.id).value();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].id, made->id);
  EXPECT_EQ(site->find_snapshot(machine.id, made->id).value().name, "first & <only>");

  const auto removed = site->remove_snapshot(machine.id, made->id);
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_TRUE(site->snapshots(machine.id).value().empty());
  EXPECT_TRUE(site->remove_snapshot(machine.id, made->id).ok()) << "absent is fine";
  EXPECT_EQ(site->find_snapshot(machine.id, made->id).error().code(), ErrorCode::not_found);
}

TEST_P(VsphereSiteOnVcsim, MakesOneSnapshotWhenTheAnswerIsLost) {
  const Machine machine = first_machine();
  transport->lose_answer_to("CreateSnapshot_Task");
  const auto made = site->create_snapshot(machine.id, "once");
  ASSERT_TRUE(made.ok()) << made.error().message();
  const auto listed = site->snapshots(machine.id).value();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].id, made->id);
}

TEST_P(VsphereSiteOnVcsim, RemovesASnapshotWhenTheAnswerIsLost) {
  const Machine machine = first_machine();
  const auto made = site->create_snapshot(machine.id, "once").value();
  transport->lose_answer_to("RemoveSnapshot_Task");
  const auto removed = site->remove_snapshot(machine.id, made.id);
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_TRUE(site->snapshots(machine.id).value().empty());
}

TEST_P(VsphereSiteOnVcsim, EnablesChangeTrackingAndLeavesNoSnapshotBehind) {
  const Machine machine = first_machine();
  EXPECT_FALSE(machine.change_tracking);
  const auto enabled = site->enable_change_tracking(machine.id);
  ASSERT_TRUE(enabled.ok()) << enabled.error().message();
  EXPECT_TRUE(site->machine(machine.id).value().change_tracking);
  EXPECT_TRUE(site->snapshots(machine.id).value().empty());
  EXPECT_TRUE(site->enable_change_tracking(machine.id).ok()) << "a no-op where it is on";
}

TEST_P(VsphereSiteOnVcsim, RefusesToEnableChangeTrackingUnderSnapshots) {
  const Machine machine = first_machine();
  const auto snapshot = site->create_snapshot(machine.id, "mine");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
  const auto enabled = site->enable_change_tracking(machine.id);
  ASSERT_FALSE(enabled.ok());
  EXPECT_EQ(enabled.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(enabled.error().message().find("'mine'"), std::string::npos) << enabled.error().message();
  EXPECT_FALSE(site->machine(machine.id).value().change_tracking);
}

TEST_P(VsphereSiteOnVcsim, SaysThatEverythingMustBeReadWhereNothingIsTracked) {
  const Machine machine = first_machine();
  const auto snapshot = site->create_snapshot(machine.id, "s").value();
  const auto changed = site->changed_areas(snapshot, machine.disks[0].id, "52 de c0/1");
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code(), ErrorCode::failed_precondition);
}

NewMachine new_machine() {
  NewMachine wanted;
  wanted.machine.name = "new <&> machine";
  wanted.machine.vcpus = 2;
  wanted.machine.memory_mib = 64;
  wanted.machine.guest_os = "debian11_64Guest";
  wanted.machine.disks = {{DiskId("a"), "Hard disk 1", 10 * mib, 0, ""},
                          {DiskId("b"), "Hard disk 2", 20 * mib, 1, ""}};
  wanted.machine.nics = {{"Network adapter 1", "00:50:56:01:02:03", "VM Network", "vmxnet3"}};
  wanted.token = "token-1";
  return wanted;
}

TEST_P(VsphereSiteOnVcsim, MakesFindsStartsAndRemovesAMachine) {
  const NewMachine wanted = new_machine();
  const auto possible = site->check_new_machine(wanted);
  ASSERT_TRUE(possible.ok()) << possible.error().message();
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(site->create_machine(wanted).value(), *made);
  EXPECT_EQ(site->find_machine("token-1").value(), *made);
  const Machine machine = site->machine(*made).value();
  EXPECT_EQ(machine.name, wanted.machine.name);
  EXPECT_EQ(machine.power, PowerState::off);
  EXPECT_EQ(machine.vcpus, 2);
  EXPECT_EQ(machine.memory_mib, 64U);
  EXPECT_EQ(machine.guest_os, "debian11_64Guest");
  ASSERT_EQ(machine.disks.size(), 2U);
  EXPECT_EQ(machine.disks[1].size_bytes, 20 * mib);
  ASSERT_EQ(machine.nics.size(), 1U);
  EXPECT_EQ(machine.nics[0].mac_address, "00:50:56:01:02:03");
  EXPECT_EQ(machine.nics[0].network, "VM Network");
  EXPECT_FALSE(machine.bios_uuid.empty());
  EXPECT_TRUE(site->check_writable(*made).ok());
  for (int i = 0; i < 2; ++i) {
    const auto on = site->power_on(*made);
    ASSERT_TRUE(on.ok()) << on.error().message();
  }
  EXPECT_EQ(site->machine(*made)->power, PowerState::on);
  const auto removed = site->remove_machine(*made);
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_EQ(site->find_machine("token-1").value(), std::nullopt);
  EXPECT_TRUE(site->remove_machine(*made).ok());
}

TEST_P(VsphereSiteOnVcsim, MakesOneMachineWhenTheAnswerIsLost) {
  transport->lose_answer_to("CreateVM_Task");
  const std::size_t before = site->machines()->size();
  const auto made = site->create_machine(new_machine());
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(site->machines()->size(), before + 1);
}

TEST_P(VsphereSiteOnVcsim, RefusesTheNameOfAnotherMachineAndRemovesNothingOfOthers) {
  NewMachine wanted = new_machine();
  wanted.machine.name = first_machine().name;
  const auto refused = site->check_new_machine(wanted);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(site->remove_machine(first_machine().id).error().code(), ErrorCode::failed_precondition);
}

TEST_P(VsphereSiteOnVcsim, ConnectsANetworkCardToADistributedSwitch) {
  if (is_esx()) GTEST_SKIP() << "a standalone host has no distributed switch";
  NewMachine wanted = new_machine();
  wanted.networks["VM Network"] = "DC0_DVPG0";
  const auto made = site->create_machine(wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const std::string network = site->machine(*made)->nics.at(0).network;
  EXPECT_TRUE(network.starts_with("dvportgroup-")) << network;
  wanted.token = "token-2";
  wanted.machine.name = "another";
  wanted.machine.nics[0].network = network;  // as a recovery point of such a machine has it
  EXPECT_TRUE(site->check_new_machine(wanted).ok());
}

TEST_P(VsphereSiteOnVcsim, RenewsAnExpiredSessionWithoutAWord) {
  transport->expire_session();  // said in the missingSet of a property read
  const auto machines = site->machines();
  ASSERT_TRUE(machines.ok()) << machines.error().message();
  EXPECT_EQ(transport->logins, 2);
  const Machine machine = machines->front();
  (void)site->machine(machine.id);
  transport->expire_session();
  const auto snapshot = site->create_snapshot(machine.id, "after expiry");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
  EXPECT_EQ(transport->logins, 3);
}

TEST_P(VsphereSiteOnVcsim, SaysWhichUserWasRefusedAndWhatToDo) {
  const auto refused = connect("wrong");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
  EXPECT_NE(refused.error().message().find("refused user 'user'"), std::string::npos)
      << refused.error().message();
  EXPECT_NE(refused.error().message().find("rekindle datacenter"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(transport->logins, 2) << "a wrong password is tried once, lest the account be locked";
}

TEST_P(VsphereSiteOnVcsim, LogsOutAtItsEnd) {
  site.reset();
  EXPECT_EQ(transport->logouts, 1);
}

TEST_P(VsphereSiteOnVcsim, ReportsALostServerAsUnavailable) {
  vcsim.reset();
  const auto machines = site->machines();
  ASSERT_FALSE(machines.ok());
  EXPECT_EQ(machines.error().code(), ErrorCode::unavailable);
}

TEST(VsphereSite, ReadsAnInventoryOfSeveralPages) {
  SKIP_WITHOUT_VCSIM();
  auto vcsim = Vcsim::start({"-vm", "130", "-cluster", "0"});
  ASSERT_TRUE(vcsim.ok()) << vcsim.error().message();
  SystemClock clock;
  SystemRandom random;
  VsphereOptions options;
  options.url = (*vcsim)->url();
  options.user = Vcsim::user;
  options.password = Vcsim::password;
  options.thumbprint = VsphereSite::probe(options.url).value().thumbprint;
  const auto site = VsphereSite::connect(options, clock, random);
  ASSERT_TRUE(site.ok()) << site.error().message();
  EXPECT_EQ((*site)->machines().value().size(), 130U);
}

}  // namespace
}  // namespace rekindle
