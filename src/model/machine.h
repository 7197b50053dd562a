// A machine and its disks, as any site describes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.h"

namespace rekindle {

enum class Firmware { bios, uefi };
enum class PowerState { off, on, suspended };

struct DiskSpec {
  DiskId id;
  std::string name;              // for people: "Hard disk 1"
  std::uint64_t size_bytes = 0;  // capacity
  int position = 0;              // 0 is the disk the machine boots from
  // Why it can be neither snapshotted nor tracked (independent disk, physical RDM, ...); empty if it can.
  std::string excluded_because;
  // Where it is plugged in, by the site's words ("pvscsi", "lsilogic", "ahci", ...), so that a machine made
  // of this is one that its guest knows. Empty in recovery points of before, and of machines of the account.
  std::string controller{};
  int bus = 0;   // the how many-th controller of its kind
  int unit = 0;  // its place there
};

struct NicSpec {
  std::string name;         // "Network adapter 1"
  std::string mac_address;  // "00:50:56:00:00:01"
  std::string network;
  std::string model;  // "vmxnet3"
};

struct Machine {
  MachineId id;
  std::string name;
  PowerState power = PowerState::off;
  Firmware firmware = Firmware::bios;
  int vcpus = 1;
  std::uint64_t memory_mib = 0;
  std::string guest_os;  // the site's word: "debian12_64Guest"
  bool change_tracking = false;
  std::vector<DiskSpec> disks;
  std::vector<NicSpec> nics;
  // Why it cannot be protected at all (template, ...); empty if it can.
  std::string refused_because;
  // Hardware that only a machine made anew at the same kind of site needs; what is empty, 0 or false was not
  // known, or is the site's default.
  std::string hardware_version{};  // "vmx-14"
  std::string bios_uuid{};         // what its guest reads as its serial number
  bool secure_boot = false;        // of UEFI
  int cores_per_socket = 0;
};

}  // namespace rekindle
