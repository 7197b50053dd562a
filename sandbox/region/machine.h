// One running instance: a QEMU process with NVMe disks. It outlives the server.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/region/addresses.h"
#include "sandbox/region/block_holder.h"

namespace rekindle::sandbox {

struct MachineDisk {
  std::string volume_id;
  DiskLayers layers;
  unsigned slot = 0;  // PCI slot of its NVMe controller
  bool bootable = false;
};

struct InstanceSpec {
  std::string instance_id;
  std::string instance_type;
  std::filesystem::path directory;  // of this instance: console.log, qemu.log, UEFI variables, sockets
  std::int64_t memory_mib = 0;
  bool uefi = false;
  std::string mac;
  Network network;
  std::string private_ip;  // what the guest gets by DHCP
  std::string public_ip;   // of this computer: its port 80 is forwarded to the guest's
  std::vector<MachineDisk> disks;
};

constexpr unsigned root_slot = 0x4, nic_slot = 0x5, first_data_slot = 0x6, last_slot = 0x1f;

inline std::filesystem::path machine_socket(const std::filesystem::path& directory) {
  return directory / "qmp.sock";
}
// The two ends of its cable to the metadata service (metadata_links.h): the server's and QEMU's.
inline std::filesystem::path metadata_socket(const std::filesystem::path& directory) {
  return directory / "imds.sock";
}
inline std::filesystem::path guest_socket(const std::filesystem::path& directory) {
  return directory / "wire.sock";
}
inline std::filesystem::path machine_console(const std::filesystem::path& directory) {
  return directory / "console.log";
}

// The serial number of the NVMe disk, as on EC2: the volume id without its dash.
std::string nvme_serial(const std::string& volume_id);

// Starts QEMU; that it starts is all: a guest that does not boot is a running instance, as on EC2.
// An error quotes QEMU's last word.
Result<pid_t> start_machine(const InstanceSpec& spec);
// What QEMU said last, for a machine that ended.
std::string last_words(const std::filesystem::path& directory);

// Off at once, whatever the guest does; but every write that it was told is done is on its volumes, as on
// EBS, where no forced stop loses any.
void switch_off(const std::filesystem::path& directory, pid_t pid);
Result<> press_power_button(const std::filesystem::path& directory);
Result<> reset_machine(const std::filesystem::path& directory);
// Port 80 of the address `to` of this computer is the guest's from now on, that of `from` is not any more.
Result<> forward_from(const std::filesystem::path& directory, const std::string& from, const std::string& to,
                      const std::string& private_ip);
Result<> plug_disk(const std::filesystem::path& directory, const MachineDisk& disk);
// The guest must let go of the disk; `unavailable` when it has not after `patience`.
Result<> unplug_disk(const std::filesystem::path& directory, const MachineDisk& disk,
                     std::chrono::milliseconds patience);

}  // namespace rekindle::sandbox
