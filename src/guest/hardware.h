// What a guest may have to boot on, by the drivers that find its disks and its network there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

enum class Platform { ec2, vmware };

struct Hardware {
  std::string_view name;                     // "EC2"
  std::vector<std::string> storage_drivers;  // what goes into an initrd
  std::vector<std::string> boot_drivers;     // of these a kernel must have one
  std::string_view boot_driver_word;         // for people: "NVMe"
  std::vector<std::string> nic_drivers;      // of these a kernel should have one; the first is the usual one
  std::string_view link_drivers;             // "ena virtio_net ...": as [Match] Driver= of systemd.link(5)
  std::string_view past_drivers;             // of all NICs that a machine may have had there
};

const Hardware& hardware_of(Platform platform);

}  // namespace rekindle
