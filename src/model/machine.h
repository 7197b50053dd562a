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
};

}  // namespace rekindle
