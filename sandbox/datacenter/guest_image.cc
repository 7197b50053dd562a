#include "sandbox/datacenter/guest_image.h"

#include <openssl/evp.h>

#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "base/random.h"
#include "net/curl_transport.h"
#include "sandbox/datacenter/disk_images.h"
#include "sandbox/datacenter/machine.h"
#include "sandbox/datacenter/qemu_machine.h"
#include "sandbox/qemu/accelerator.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// A guest whose CPU is emulated on a busy host needs long; one that answers needs none of it.
constexpr auto boot_patience = std::chrono::minutes(5);

// A memory image fits one QEMU and one hardware only.
Result<std::string> state_key(MachineRecord record) {
  record.name = "guest";
  record.uuid = "00000000-0000-4000-8000-000000000000";
  record.mac = "00:00:00:00:00:00";
  record.host_port = 0;
  std::string text = TRY(run_tool({"qemu-system-x86_64", "--version"}));
  for (const std::string& word : qemu_arguments(record, {"/datastore", "/state"})) text += word + "\n";
  for (const std::string& word : accelerator_arguments()) text += word + "\n";
  Bytes digest(32);
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
             nullptr);
  return to_hex(ByteView(digest).first(8));
}

Result<> await_service(const Machine& machine) {
  CurlTransport client;
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/ready", machine.record().host_port);
  request.timeout = std::chrono::milliseconds(500);
  const auto deadline = std::chrono::steady_clock::now() + boot_patience;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto answer = client.send(request);
    if (answer.ok() && answer->status == 200) return {};
    const auto console = read_text_file(machine.places().serial());
    for (const std::string_view sign : {"ALERT!", "Kernel panic", "No bootable"}) {
      if (console.ok() && console->find(sign) != std::string::npos) {
        return error(ErrorCode::failed_precondition, "the guest does not boot: its console says '{}'", sign);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return error(ErrorCode::unavailable, "the guest's service does not answer within {} min",
               boot_patience.count());
}

Result<> boot_and_suspend(Machine& machine) {
  TRY(machine.power_on());
  TRY(await_service(machine));
  return machine.suspend();
}

Result<> make_state(const fs::path& guest_directory, MachineRecord record, const fs::path& work) {
  SystemRandom random;
  record.number = 1;
  record.name = "guest";
  record.uuid = random.uuid();
  record.instance_uuid = random.uuid();
  record.mac =
      fmt::format("00:50:56:{:02x}:{:02x}:{:02x}", random.below(64), random.below(256), random.below(256));
  const MachinePlaces places{work, work};
  TRY(make_directories(places.home(record)));
  for (const DiskRecord& disk : record.disks) {
    const int unit = disk.unit();
    TRY(copy_sparse(guest_disk(guest_directory, unit), places.flat(record, unit)));
  }
  if (record.firmware == "uefi") TRY(copy_sparse(ovmf_variables, places.nvram(record)));
  auto machine = TRY(Machine::create(record, places, {}));
  const Result<> ready = boot_and_suspend(*machine);
  machine->kill();
  TRY(ready, "booting {} once to save its state", guest_directory.string());

  std::error_code failure;
  const fs::path complete = work / "complete";
  fs::create_directory(complete, failure);
  for (const DiskRecord& disk : record.disks) {
    const int unit = disk.unit();
    if (!failure) fs::rename(places.flat(record, unit), guest_disk(complete, unit), failure);
  }
  if (!failure) fs::rename(places.memory(), complete / "memory", failure);
  if (!failure && record.firmware == "uefi") fs::rename(places.nvram(record), complete / "nvram", failure);
  if (failure) return errno_error(failure.value(), "keeping the saved state");
  const json description = {{"mac", record.mac}};
  return write_file_atomically(complete / "saved.json", description.dump());
}

}  // namespace

fs::path guest_disk(const fs::path& directory, int unit) {
  return directory / (unit == 0 ? std::string("disk.raw") : fmt::format("disk{}.raw", unit));
}

Result<MachineRecord> read_guest(const fs::path& guest_directory) {
  const fs::path path = guest_directory / "guest.json";
  const std::string text = TRY(read_text_file(path), "there is no guest in {}", guest_directory.string());
  const json guest = json::parse(text, nullptr, false);
  MachineRecord record;
  int disks = 1;
  try {
    disks = guest.value("disks", disks);
    record.firmware = guest.at("firmware");
    record.disk_controller = guest.at("disk_controller");
    record.memory_mib = guest.at("memory_mib");
    record.vcpus = guest.at("vcpus");
    record.guest_id = guest.at("guest_id");
    record.http_port = guest.at("http_port");
  } catch (const json::exception& failure) {
    return error(ErrorCode::corrupt, "{} does not describe a guest: {}", path.string(), failure.what());
  }
  for (int unit = 0; unit < disks; ++unit) {
    const File disk = TRY(File::open(guest_disk(guest_directory, unit), File::Mode::read));
    const std::uint64_t bytes = TRY(disk.size());
    record.disks.push_back({2000 + unit, bytes, "", {}});
  }
  return record;
}

std::optional<fs::path> find_saved_state(const fs::path& guest_directory, const MachineRecord& record) {
  const auto key = state_key(record);
  if (!key.ok()) return std::nullopt;
  fs::path folder = guest_directory / "saved" / *key;
  std::error_code failure;
  if (!fs::exists(folder / "saved.json", failure)) return std::nullopt;
  return folder;
}

Result<> prepare_saved_state(const fs::path& guest_directory) {
  const MachineRecord record = TRY(read_guest(guest_directory));
  const fs::path saved = guest_directory / "saved";
  TRY(make_directories(saved));
  const FileLock lock = TRY(FileLock::acquire(saved / "lock"));
  if (find_saved_state(guest_directory, record)) return {};
  std::error_code failure;
  const fs::path work = saved / "new";
  fs::remove_all(work, failure);  // of one that was killed: we hold the lock
  TRY(make_directories(work));
  TRY(make_state(guest_directory, record, work));
  const std::string key = TRY(state_key(record));
  fs::rename(work / "complete", saved / key, failure);
  if (failure) return errno_error(failure.value(), "keeping the saved state");
  fs::remove_all(work, failure);
  return sync_directory(saved);
}

}  // namespace rekindle::sandbox
