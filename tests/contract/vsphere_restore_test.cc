// Machines that the product makes in the local datacenter, and disks that it writes there through
// `rekindle sandbox serve-disk`, as it does with nbdkit and VDDK elsewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "net/curl_transport.h"
#include "sandbox/datacenter/datacenter.h"
#include "site/restore_conformance_test.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

constexpr RetryPolicy quick{.attempts = 3, .first_pause = std::chrono::milliseconds(1)};
const std::string disk_command =
    "'" REKINDLE_BINARY
    "' sandbox serve-disk --socket {socket} --host {host} --port {port} --user {user} --password-file "
    "{password_file} --thumbprint {thumbprint} --vm {vm} --file {file}";

// A datacenter with a machine "old" that runs, but stands before its first instruction.
struct LocalDatacenter {
  static constexpr std::uint64_t disk_bytes = 16 * mib;

  LocalDatacenter() {
    start();
    sandbox::MachineSpec spec;
    spec.name = "old";
    spec.empty_disks_bytes = {disk_bytes};
    spec.run_cpus = false;
    EXPECT_TRUE(datacenter->add_machine(spec).ok());
  }
  ~LocalDatacenter() {
    site.reset();
    EXPECT_TRUE(datacenter->disaster().ok());
  }
  // Also as a datacenter that comes back after its server died.
  void start() {
    site.reset();
    datacenter.reset();
    sandbox::DatacenterOptions options;
    options.directory = directory.path();
    options.password = "secret";
    datacenter = sandbox::Datacenter::start(options).value();
    site = connect(disk_command);
  }
  std::unique_ptr<VsphereSite> connect(const std::string& command) {
    VsphereOptions options;
    options.url = datacenter->url();
    options.user = "root";
    options.password = "secret";
    options.thumbprint = datacenter->thumbprint();
    options.disk_command = command;
    options.retry = quick;
    options.busy_retry = quick;
    return VsphereSite::connect(options, clock, random).value();
  }
  RestoreTarget& target() { return *site; }
  SnapshotSource& source() { return *site; }
  NewMachine wanted() {
    NewMachine machine;
    machine.machine.name = "new";
    machine.machine.memory_mib = 32;
    machine.machine.guest_os = "debian12_64Guest";
    machine.machine.disks = {{DiskId("a"), "Hard disk 1", disk_bytes, 0, ""},
                             {DiskId("b"), "Hard disk 2", disk_bytes, 1, ""}};
    machine.machine.nics = {{"Network adapter 1", "00:50:56:01:02:03", "VM Network", "vmxnet3"}};
    machine.token = "token-1";
    return machine;
  }
  NewMachine wanted_uefi(const std::string& name, Bytes variables) {
    NewMachine machine = wanted();
    machine.machine.name = name;
    machine.machine.firmware = Firmware::uefi;
    machine.machine.nics[0].mac_address.clear();
    machine.token = "token-of-" + name;
    machine.firmware_variables = std::move(variables);
    return machine;
  }
  std::filesystem::path nvram(const std::string& name) {
    return directory.path() / "datastore1" / name / (name + ".nvram");
  }
  Machine machine(const std::string& name) {
    for (Machine& one : site->machines().value()) {
      if (one.name == name) return std::move(one);
    }
    ADD_FAILURE() << "there is no machine " << name;
    return {};
  }

  TemporaryDirectory directory = TemporaryDirectory::make("rk").value();
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<sandbox::Datacenter> datacenter;
  std::unique_ptr<VsphereSite> site;
};

INSTANTIATE_TYPED_TEST_SUITE_P(VsphereSite, RestoreConformance, LocalDatacenter);

class VsphereRestore : public testing::Test, protected LocalDatacenter {
 protected:
  // The processes that serve disks of this test's datacenter, product's and sandbox's.
  std::vector<pid_t> disk_servers(std::string_view program) {
    std::vector<pid_t> found;
    const std::string port = std::to_string(datacenter->port());
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t pid = std::atoi(entry.path().filename().c_str());
      const std::string own = program == "serve-disk" ? port : directory.path().string();
      if (pid != ::getpid() && process_lives(pid, program) && process_lives(pid, own)) found.push_back(pid);
    }
    return found;
  }
  bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 500; ++i) {
      if (holds()) return true;
      clock.sleep(std::chrono::milliseconds(20));
    }
    return false;
  }
  bool eventually_unlocked() {
    return eventually([&] {
      return std::ranges::all_of(datacenter->machines(),
                                 [](const auto& status) { return status.open_disks.empty(); });
    });
  }
  // A disk that was given up is unlocked when what was written is recorded; its server ends after that.
  bool eventually_ended(std::string_view program) {
    return eventually([&] { return disk_servers(program).empty(); });
  }
};

TEST_F(VsphereRestore, RefusesWhatTheDatacenterHasNotAndNamesWhatItHas) {
  NewMachine machine = wanted();
  machine.datastore = "datastore9";
  EXPECT_EQ(site->check_new_machine(machine).error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(site->check_new_machine(machine).error().message(), HasSubstr("there are: datastore1"));
  machine = wanted();
  machine.machine.nics[0].network = "DMZ";
  EXPECT_EQ(site->check_new_machine(machine).error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(site->check_new_machine(machine).error().message(),
              HasSubstr("there are: Isolated, VM Network"));
  machine.networks["DMZ"] = "VM Network";
  EXPECT_TRUE(site->check_new_machine(machine).ok());
  machine.machine.name = "old";
  EXPECT_EQ(site->check_new_machine(machine).error().code(), ErrorCode::failed_precondition);
  machine.token = "";  // before there is a job
  EXPECT_EQ(site->check_new_machine(machine).error().code(), ErrorCode::failed_precondition);
  machine = wanted();
  machine.machine.disks[0].size_bytes = std::uint64_t{1} << 50;
  EXPECT_EQ(site->check_new_machine(machine).error().code(), ErrorCode::exhausted);
  machine = wanted();
  ASSERT_TRUE(site->create_machine(machine).ok());
  EXPECT_TRUE(site->check_new_machine(machine).ok()) << "what an earlier call made is no obstacle";
}

TEST_F(VsphereRestore, MakesUefiMachinesWithSata) {
  NewMachine machine = wanted();
  machine.machine.firmware = Firmware::uefi;
  const MachineId id = site->create_machine(machine).value();
  EXPECT_EQ(site->machine(id)->firmware, Firmware::uefi);
  EXPECT_TRUE(std::filesystem::exists(directory.path() / "datastore1/new/new.nvram"));
  EXPECT_THAT(read_text_file(directory.path() / "datastore1/new/new.vmx").value(),
              HasSubstr("sata0:1.present"));
}

TEST_F(VsphereRestore, PlugsDisksOfUefiMachinesInWhereTheyWere) {
  NewMachine machine = wanted();
  machine.machine.firmware = Firmware::uefi;
  machine.machine.disks[0].controller = machine.machine.disks[1].controller = "pvscsi";
  machine.machine.disks[1].unit = 3;
  machine.machine.hardware_version = "vmx-21";  // of a newer host
  machine.machine.bios_uuid = "564d0000-0000-4000-8000-00000000000b";
  machine.keep_ids = true;
  const auto id = site->create_machine(machine);
  ASSERT_TRUE(id.ok()) << id.error().message();
  const Machine made = site->machine(*id).value();
  EXPECT_EQ(made.disks.at(0).controller, "pvscsi");
  EXPECT_EQ(made.disks.at(1).unit, 3);
  EXPECT_EQ(made.bios_uuid, machine.machine.bios_uuid);
  EXPECT_EQ(made.hardware_version, "vmx-14");
}

TEST_F(VsphereRestore, TheVariablesOfAUefiMachineAreInTheNewOneByteForByte) {
  const MachineId left = site->create_machine(wanted_uefi("home", {})).value();
  Bytes variables = read_file(nvram("home")).value();
  std::ranges::copy(as_bytes("boot entry"), variables.end() - 10);
  ASSERT_TRUE(write_file_atomically(nvram("home"), variables).ok());
  const auto read = site->firmware_variables(left);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_TRUE(*read == variables);
  const auto made = site->create_machine(wanted_uefi("new", *read));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_TRUE(read_file(nvram("new")).value() == variables);
  EXPECT_TRUE(site->firmware_variables(*made).value() == variables);
  const Result<> on = site->power_on(*made);
  EXPECT_TRUE(on.ok()) << on.error().message();
}

TEST_F(VsphereRestore, AKillBeforeTheVariablesAreGivenIsMadeGood) {
  const MachineId id = site->create_machine(wanted_uefi("new", {})).value();
  Bytes variables = read_file(nvram("new")).value();
  variables.back() = std::byte{7};
  EXPECT_EQ(site->create_machine(wanted_uefi("new", variables)).value(), id);
  EXPECT_TRUE(read_file(nvram("new")).value() == variables);
  ASSERT_TRUE(site->power_on(id).ok());
  EXPECT_EQ(site->create_machine(wanted_uefi("new", Bytes(100))).value(), id);
  EXPECT_EQ(read_file(nvram("new"))->size(), variables.size()) << "not of a machine that runs";
}

TEST_F(VsphereRestore, ABiosMachineHasNoVariables) {
  EXPECT_TRUE(site->firmware_variables(machine("old").id)->empty());
  NewMachine bios = wanted();
  bios.firmware_variables = Bytes(100);
  ASSERT_TRUE(site->create_machine(bios).ok());
  EXPECT_FALSE(std::filesystem::exists(nvram("new")));
}

TEST_F(VsphereRestore, SaysThatVariablesCannotBeRead) {
  const MachineId id = site->create_machine(wanted_uefi("home", {})).value();
  ASSERT_TRUE(remove_file(nvram("home")).ok());
  const auto read = site->firmware_variables(id);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::not_found);
  EXPECT_THAT(read.error().message(), HasSubstr("[datastore1] home/home.nvram"));
}

TEST_F(VsphereRestore, AMachineWhoseVariablesCannotBeGivenStartsAllTheSame) {
  ASSERT_TRUE(datacenter->set_faults({{"refuse_calls", {{"PUT /folder", 100}}}}).ok());
  const auto made = site->create_machine(wanted_uefi("new", Bytes(100)));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_NE(read_file(nvram("new")).value(), Bytes(100));
  const Result<> on = site->power_on(*made);
  EXPECT_TRUE(on.ok()) << on.error().message();
}

TEST_F(VsphereRestore, VariablesThatCannotBeGivenNowAreGivenAtTheNextAttempt) {
  ASSERT_TRUE(datacenter->set_faults({{"fail_calls", {{"PUT /folder", 100}}}}).ok());
  const auto failed = site->create_machine(wanted_uefi("new", Bytes(100)));
  ASSERT_FALSE(failed.ok());
  EXPECT_TRUE(failed.error().transient()) << failed.error().message();
  EXPECT_FALSE(std::filesystem::exists(nvram("new"))) << "a part of it might have been written";
  ASSERT_TRUE(datacenter->set_faults({{"fail_calls", {{"PUT /folder", 0}}}}).ok());
  const auto made = site->create_machine(wanted_uefi("new", Bytes(100)));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(read_file(nvram("new")).value(), Bytes(100));
}

TEST_F(VsphereRestore, AMachineOfARehearsalIsReachedByNobody) {
  NewMachine machine = wanted();
  machine.networks["VM Network"] = "Isolated";
  ASSERT_TRUE(site->check_new_machine(machine).ok());
  const MachineId id = site->create_machine(machine).value();
  EXPECT_EQ(site->machine(id)->nics.at(0).network, "Isolated");
  ASSERT_TRUE(site->power_on(id).ok());
  const auto machines = datacenter->machines();
  EXPECT_EQ(machines.at(1).power, "poweredOn");
  EXPECT_EQ(machines.at(1).host_port, 0);
  EXPECT_GT(machines.at(0).host_port, 0) << "the original is";
}

TEST_F(VsphereRestore, MakesOneMachineWhenTheAnswerIsLost) {
  ASSERT_TRUE(
      datacenter->set_faults({{"lose_responses", {{"CreateVM_Task", 1}}}, {"slow_tasks_ms", 300}}).ok());
  const auto made = site->create_machine(wanted());
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(site->find_machine("token-1").value(), *made);
  EXPECT_EQ(datacenter->machines().size(), 2U);
}

TEST_F(VsphereRestore, MakesOneMachineWhenTheDatacenterIsOverloaded) {
  ASSERT_TRUE(datacenter->set_faults({{"fail_calls", {{"CreateVM_Task", 1}, {"Destroy_Task", 1}}}}).ok());
  const auto made = site->create_machine(wanted());
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(datacenter->machines().size(), 2U);
  EXPECT_TRUE(site->remove_machine(*made).ok());
  EXPECT_EQ(datacenter->machines().size(), 1U);
}

TEST_F(VsphereRestore, RemovesOnceAlthoughTheAnswersAreLost) {
  const MachineId id = site->create_machine(wanted()).value();
  ASSERT_TRUE(site->power_on(id).ok());
  ASSERT_TRUE(
      datacenter->set_faults({{"lose_responses", {{"Destroy_Task", 1}, {"PowerOffVM_Task", 1}}}}).ok());
  const Result<> removed = site->remove_machine(id);
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_EQ(datacenter->machines().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "datastore1/new"));
}

TEST_F(VsphereRestore, RemovesNothingThatItDidNotMake) {
  const Result<> refused = site->remove_machine(machine("old").id);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("not made by Rekindle"));
  EXPECT_EQ(machine("old").power, PowerState::on) << "it was not even turned off";
}

TEST_F(VsphereRestore, WritesIntoAMachineThatWasThereAndTheNextBackupSeesIt) {
  const Machine old = machine("old");
  ASSERT_TRUE(site->enable_change_tracking(old.id).ok());
  const MachineSnapshot backup = site->create_snapshot(old.id, "backup").value();
  ASSERT_TRUE(site->remove_snapshot(old.id, backup.id).ok());
  const std::string said = datacenter->monitor("old", "qemu-io -d disk0 \"write -P 0x33 2M 64k\"").value();
  ASSERT_EQ(said, "");
  ASSERT_TRUE(site->power_off(old.id).ok());
  {
    const auto disk = site->open_disk_to_write(old.id, old.disks[0].id).value();
    Bytes theirs(64 * kib);
    ASSERT_TRUE(disk->read_at(2 * mib, theirs).ok());
    EXPECT_EQ(theirs, Bytes(64 * kib, std::byte{0x33}));
    ASSERT_TRUE(disk->write_at(7 * mib, Bytes(64 * kib, std::byte{0x44})).ok());
  }
  ASSERT_TRUE(site->power_on(old.id).ok());
  const MachineSnapshot next = site->create_snapshot(old.id, "next").value();
  const auto changed = site->changed_areas(next, old.disks[0].id, backup.disks[0].change_id);
  ASSERT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_EQ(*changed, (Extents{{2 * mib, 64 * kib}, {7 * mib, 64 * kib}}));
}

TEST_F(VsphereRestore, NothingElseCanBeDoneWhileADiskIsOpen) {
  const MachineId id = site->create_machine(wanted()).value();
  const DiskId disk = site->machine(id)->disks[0].id;
  auto open = site->open_disk_to_write(id, disk);
  ASSERT_TRUE(open.ok()) << open.error().message();
  const Result<> refused = site->power_on(id);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable) << refused.error().message();
  EXPECT_EQ(site->create_snapshot(id, "s").error().code(), ErrorCode::unavailable);
  EXPECT_EQ(site->remove_machine(id).error().code(), ErrorCode::unavailable);
  const auto again = site->open_disk_to_write(id, disk);
  ASSERT_FALSE(again.ok());
  EXPECT_THAT(again.error().message(), HasSubstr("locked"));
  auto second = site->open_disk_to_write(id, site->machine(id)->disks[1].id);
  EXPECT_TRUE(second.ok()) << "several disks of a machine may be open";
  open->reset();
  second->reset();
  EXPECT_TRUE(disk_servers("serve-disk").empty());
  EXPECT_TRUE(disk_servers("qemu-storage-daemon").empty());
  EXPECT_TRUE(site->power_on(id).ok());
}

TEST_F(VsphereRestore, AKilledDiskCommandIsAnErrorAndWhatItWroteIsKnown) {
  const MachineId id = site->create_machine(wanted()).value();
  const MachineSnapshot first = site->create_snapshot(id, "first").value();
  ASSERT_TRUE(site->remove_snapshot(id, first.id).ok());
  auto open = site->open_disk_to_write(id, first.disks[0].disk).value();
  ASSERT_TRUE(open->write_at(3 * mib, Bytes(64 * kib, std::byte{5})).ok());
  for (const pid_t pid : disk_servers("serve-disk")) kill_process(pid);
  ASSERT_TRUE(eventually_unlocked());
  const Result<> lost = open->write_at(4 * mib, Bytes(64 * kib, std::byte{6}));
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(lost.error().message(), HasSubstr("the disk command ended with status 137"));
  open.reset();
  EXPECT_TRUE(eventually_ended("qemu-storage-daemon"));
  const MachineSnapshot second = site->create_snapshot(id, "second").value();
  EXPECT_EQ(site->changed_areas(second, first.disks[0].disk, first.disks[0].change_id).value(),
            (Extents{{3 * mib, 64 * kib}}));
}

TEST_F(VsphereRestore, WhatWasWrittenIsNotForgottenWhenTheDatacentersServerDies) {
  const MachineId id = site->create_machine(wanted()).value();
  const MachineSnapshot first = site->create_snapshot(id, "first").value();
  ASSERT_TRUE(site->remove_snapshot(id, first.id).ok());
  auto open = site->open_disk_to_write(id, first.disks[0].disk).value();
  ASSERT_TRUE(open->write_at(3 * mib, Bytes(64 * kib, std::byte{5})).ok());
  start();  // its record of what was written goes with the processes of before
  EXPECT_FALSE(open->write_at(3 * mib, Bytes(64 * kib, std::byte{6})).ok());
  open.reset();
  const MachineSnapshot second = site->create_snapshot(id, "second").value();
  const Extents changed = site->changed_areas(second, first.disks[0].disk, first.disks[0].change_id).value();
  EXPECT_EQ(intersect(changed, {{3 * mib, 64 * kib}}), (Extents{{3 * mib, 64 * kib}}));
  EXPECT_TRUE(eventually_ended("qemu-storage-daemon"));
}

TEST_F(VsphereRestore, AKilledServerOfADiskLosesNothing) {
  const MachineId id = site->create_machine(wanted()).value();
  const MachineSnapshot first = site->create_snapshot(id, "first").value();
  ASSERT_TRUE(site->remove_snapshot(id, first.id).ok());
  auto open = site->open_disk_to_write(id, first.disks[0].disk).value();
  ASSERT_TRUE(open->write_at(3 * mib, Bytes(64 * kib, std::byte{5})).ok());
  for (const pid_t pid : disk_servers("qemu-storage-daemon")) kill_process(pid);
  const Result<> lost = open->write_at(3 * mib, Bytes(64 * kib));
  EXPECT_EQ(lost.error().code(), ErrorCode::unavailable) << lost.error().message();
  open.reset();
  ASSERT_TRUE(eventually_unlocked());
  const MachineSnapshot second = site->create_snapshot(id, "second").value();
  const Extents changed = site->changed_areas(second, first.disks[0].disk, first.disks[0].change_id).value();
  EXPECT_EQ(intersect(changed, {{3 * mib, 64 * kib}}), (Extents{{3 * mib, 64 * kib}}));
}

TEST_F(VsphereRestore, SaysThatDisksCannotBeWrittenWithoutACommand) {
  const auto without = connect("");
  const Machine old = machine("old");
  const auto refused = without->open_disk_to_write(old.id, old.disks[0].id);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("--disk-command"));
}

TEST_F(VsphereRestore, TellsTheSha1OfThePinnedCertificateOnly) {
  const Machine old = machine("old");
  ASSERT_TRUE(site->power_off(old.id).ok());
  const auto telling = connect("sh -c 'echo \"$1\" >&2; exit 1' sh {thumbprint_sha1} {socket}");
  const std::string said = telling->open_disk_to_write(old.id, old.disks[0].id).error().message();
  const std::string wanted_sha1 = fetch_thumbprints("127.0.0.1", datacenter->port())->sha1;
  EXPECT_EQ(wanted_sha1.size(), 40U);
  std::string plain;
  for (const char c : said) {
    if (c != ':') plain += static_cast<char>(std::tolower(c));
  }
  EXPECT_THAT(plain, HasSubstr(wanted_sha1));
}

}  // namespace
}  // namespace rekindle
