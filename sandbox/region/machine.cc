#include "sandbox/region/machine.h"

#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "sandbox/qemu/accelerator.h"
#include "sandbox/qemu/qmp.h"
#include "sandbox/region/block_holder.h"
#include "sandbox/region/guest_network.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr auto quit_patience = std::chrono::seconds(10);
constexpr const char* firmware_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
constexpr const char* firmware_variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";

void append(std::vector<std::string>& to, std::initializer_list<std::string> words) {
  to.insert(to.end(), words);
}

// QEMU's options take a comma as the end of a value.
std::string escaped(const fs::path& path) {
  std::string text;
  for (const char c : path.string()) text += c == ',' ? ",," : std::string(1, c);
  return text;
}

// The variables of a UEFI machine are its own and stay over stop and start.
Result<> add_firmware(std::vector<std::string>& arguments, const InstanceSpec& spec) {
  const fs::path variables = spec.directory / "uefi-variables.fd";
  std::error_code failure;
  if (!fs::exists(variables, failure)) fs::copy_file(firmware_variables, variables, failure);
  if (failure) return errno_error(failure.value(), "copying the UEFI variables (package ovmf)");
  append(arguments, {"-drive", fmt::format("if=pflash,unit=0,format=raw,readonly=on,file={}", firmware_code),
                     "-drive", fmt::format("if=pflash,unit=1,format=raw,file={}", escaped(variables))});
  return {};
}

// There is no ENA in QEMU: virtio-net stands in for it.
void add_network(std::vector<std::string>& arguments, const InstanceSpec& spec, const GuestNetwork& network) {
  const auto networks = network.arguments(spec);
  arguments.insert(arguments.end(), networks.begin(), networks.end());
  append(arguments, {"-device", fmt::format("virtio-net-pci,netdev=nic,mac={},addr={:#x},romfile=", spec.mac,
                                            nic_slot)});
}

json nvme_device(const MachineDisk& disk) {
  json device = {{"driver", "nvme"},
                 {"id", "nvme-" + disk.volume_id},
                 {"drive", disk.layers.top()},
                 {"serial", nvme_serial(disk.volume_id)},
                 {"bus", "pci.0"},
                 {"addr", fmt::format("{:#x}", disk.slot)}};
  if (disk.bootable) device["bootindex"] = 1;
  return device;
}

Result<std::vector<std::string>> command_line(const InstanceSpec& spec, const GuestNetwork& network) {
  std::vector<std::string> arguments = {"qemu-system-x86_64", "-name", spec.instance_id};
  const std::vector<std::string> accelerator = accelerator_arguments();
  arguments.insert(arguments.end(), accelerator.begin(), accelerator.end());
  append(arguments,
         {"-m", std::to_string(spec.memory_mib), "-smp", "1", "-nodefaults", "-display", "none", "-smbios",
          fmt::format("type=1,manufacturer=Amazon EC2,product={}", spec.instance_type)});
  if (spec.uefi) TRY(add_firmware(arguments, spec));
  append(
      arguments,
      {"-chardev", fmt::format("file,id=console,append=on,path={}", escaped(machine_console(spec.directory))),
       "-serial", "chardev:console", "-chardev",
       fmt::format("socket,id=control,server=on,wait=off,path={}", escaped(machine_socket(spec.directory))),
       "-mon", "chardev=control,mode=control"});
  for (const MachineDisk& disk : spec.disks) {
    const auto layers = options_of(disk.layers, "-");
    arguments.insert(arguments.end(), layers.begin(), layers.end());
    append(arguments, {"-device", nvme_device(disk).dump()});
  }
  add_network(arguments, spec, network);
  return arguments;
}

Result<> with_qmp(const fs::path& directory, std::string_view command) {
  const auto qmp = TRY(Qmp::connect(machine_socket(directory), std::chrono::seconds(2)));
  TRY(qmp->execute(command));
  return {};
}

}  // namespace

std::string nvme_serial(const std::string& volume_id) {
  std::string serial = volume_id;
  std::erase(serial, '-');
  return serial;
}

Result<pid_t> start_machine(const InstanceSpec& spec) {
  TRY(make_directories(spec.directory));
  TRY(remove_file(machine_socket(spec.directory)));
  TRY(remove_file(guest_socket(spec.directory)));
  TRY(remove_file(spec.directory / "qemu.log"));
  const GuestNetwork network = TRY(GuestNetwork::make());
  const auto arguments = TRY(command_line(spec, network));
  return start_daemon(arguments, {spec.directory / "qemu.log", network.sockets()});
}

std::string last_words(const fs::path& directory) {
  const auto log = read_text_file(directory / "qemu.log");
  if (!log.ok()) return "";
  std::istringstream lines(*log);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("warning:") == std::string::npos) last = line;
  }
  return last;
}

// QEMU keeps tables of its disks in memory, which a mere kill would lose. Its answer may be lost in its own
// effect.
void switch_off(const fs::path& directory, pid_t pid) {
  const std::string socket = machine_socket(directory).string();
  if (!process_lives(pid, socket)) return;
  if (const auto qmp = Qmp::connect(socket, std::chrono::seconds(2)); qmp.ok()) {
    static_cast<void>((*qmp)->execute("quit"));
    const auto deadline = std::chrono::steady_clock::now() + quit_patience;
    while (process_lives(pid, socket) && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill_process(pid);
}

Result<> press_power_button(const fs::path& directory) {
  return with_qmp(directory, "system_powerdown");
}

Result<> reset_machine(const fs::path& directory) {
  return with_qmp(directory, "system_reset");
}

Result<> forward_from(const fs::path& directory, const std::string& from, const std::string& to,
                      const std::string& private_ip) {
  const auto qmp = TRY(Qmp::connect(machine_socket(directory), std::chrono::seconds(2)));
  const auto monitor = [&](const std::string& command) {
    return qmp->execute("human-monitor-command", {{"command-line", command}});
  };
  if (!to.empty()) TRY(monitor(fmt::format("hostfwd_add net0 tcp:{}:80-{}:80", to, private_ip)));
  if (!from.empty()) TRY(monitor(fmt::format("hostfwd_remove net0 tcp:{}:80", from)));
  return {};
}

Result<> plug_disk(const fs::path& directory, const MachineDisk& disk) {
  const auto qmp = TRY(Qmp::connect(machine_socket(directory)));
  TRY(add_disk(*qmp, disk.layers));
  const auto plugged = qmp->execute("device_add", nvme_device(disk));
  if (plugged.ok()) return {};
  TRY(remove_disk(*qmp, disk.layers));
  return plugged.error();
}

Result<> unplug_disk(const fs::path& directory, const MachineDisk& disk, std::chrono::milliseconds patience) {
  const auto qmp = TRY(Qmp::connect(machine_socket(directory)));
  const std::string device = "nvme-" + disk.volume_id;
  TRY(qmp->execute("device_del", {{"id", device}}));
  TRY(qmp->wait_event(
          "DEVICE_DELETED", [&](const json& data) { return data.value("device", "") == device; }, patience),
      "waiting for the guest to let go of {}", disk.volume_id);
  return remove_disk(*qmp, disk.layers);
}

}  // namespace rekindle::sandbox
