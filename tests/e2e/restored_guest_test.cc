// A guest whose disk the product writes into a machine that it made: it boots there.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"
#include "disk/file_disk.h"
#include "net/curl_transport.h"
#include "sandbox/datacenter/datacenter.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

constexpr auto boot_patience = std::chrono::minutes(6);  // of an emulated CPU
constexpr std::uint64_t step = mib;

class RestoredGuest : public testing::TestWithParam<Firmware> {
 protected:
  void SetUp() override {
    sandbox::DatacenterOptions options;
    options.directory = directory.path();
    options.password = "secret";
    datacenter = sandbox::Datacenter::start(options).value();
    VsphereOptions login;
    login.url = datacenter->url();
    login.user = "root";
    login.password = "secret";
    login.thumbprint = datacenter->thumbprint();
    login.disk_command = "'" REKINDLE_BINARY
                         "' sandbox serve-disk --socket {socket} --host {host} --port {port} --user {user} "
                         "--password-file {password_file} --thumbprint {thumbprint} --vm {vm} --file {file}";
    site = VsphereSite::connect(login, clock, random).value();
  }
  void TearDown() override {
    site.reset();
    EXPECT_TRUE(datacenter->disaster().ok());
  }

  NewMachine wanted(std::uint64_t disk_bytes) const {
    NewMachine machine;
    machine.machine.name = "web";
    machine.machine.firmware = GetParam();
    machine.machine.memory_mib = 512;
    machine.machine.guest_os = "debian12_64Guest";
    machine.machine.disks = {{DiskId("a"), "Hard disk 1", disk_bytes, 0, ""}};
    machine.machine.nics = {{"Network adapter 1", "00:50:56:01:02:03", "VM Network", "vmxnet3"}};
    machine.token = "token-1";
    return machine;
  }
  static void copy(BlockSource& from, BlockTarget& to) {
    const Extents data = from.data_extents({0, from.size()}).value();
    Bytes bytes(step);
    for (const Extent& extent : data) {
      for (std::uint64_t at = extent.offset; at < extent.end(); at += step) {
        const ByteSpan part = ByteSpan(bytes).first(std::min(step, extent.end() - at));
        ASSERT_TRUE(from.read_at(at, part).ok());
        const Result<> written = to.write_at(at, part);
        ASSERT_TRUE(written.ok()) << written.error().message();
      }
    }
    ASSERT_TRUE(to.flush().ok());
  }
  bool answers() {
    HttpRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/ready", datacenter->machines().at(0).host_port);
    request.timeout = std::chrono::seconds(2);
    const auto deadline = std::chrono::steady_clock::now() + boot_patience;
    while (std::chrono::steady_clock::now() < deadline) {
      const auto answer = CurlTransport().send(request);
      if (answer.ok() && answer->status == 200) return true;
      clock.sleep(std::chrono::milliseconds(200));
    }
    return false;
  }

  TemporaryDirectory directory = TemporaryDirectory::make("rk").value();
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<sandbox::Datacenter> datacenter;
  std::unique_ptr<VsphereSite> site;
};

TEST_P(RestoredGuest, BootsFromADiskThatTheProductWrote) {
  const std::string variant = GetParam() == Firmware::uefi ? "uefi" : "bios";
  const auto guest = run_process({REKINDLE_SOURCE_DIR "/sandbox/guests/build", variant});
  if (!guest.ok() || guest->exit_status != 0) {
    GTEST_SKIP() << "the guest cannot be built here: " << (guest.ok() ? guest->err : guest.error().message());
  }
  const std::filesystem::path folder = guest->out.substr(0, guest->out.find('\n'));
  const auto original = FileDisk::open(folder / "disk.raw", File::Mode::read).value();
  const MachineId id = site->create_machine(wanted(original->size())).value();
  {
    auto disk = site->open_disk_to_write(id, site->machine(id)->disks.at(0).id);
    ASSERT_TRUE(disk.ok()) << disk.error().message();
    const auto begin = std::chrono::steady_clock::now();
    copy(*original, **disk);
    const auto took = std::chrono::steady_clock::now() - begin;
    RecordProperty("write_ms",
                   std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  }
  ASSERT_TRUE(site->power_on(id).ok());
  const int port = datacenter->machines().at(0).host_port;
  EXPECT_GT(port, 0);
  EXPECT_TRUE(answers()) << read_text_file(directory.path() / "vms/1/serial.log").value();
  ASSERT_TRUE(site->power_off(id).ok());
  ASSERT_TRUE(site->power_on(id).ok());
  EXPECT_EQ(datacenter->machines().at(0).host_port, port) << "kept from run to run";
}

INSTANTIATE_TEST_SUITE_P(, RestoredGuest, testing::Values(Firmware::bios, Firmware::uefi),
                         [](const auto& firmware) {
                           return std::string(firmware.param == Firmware::uefi ? "uefi" : "bios");
                         });

}  // namespace
}  // namespace rekindle
