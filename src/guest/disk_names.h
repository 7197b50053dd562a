// Device names such as /dev/sda1 change with the hardware; UUIDs do not.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "guest/conversion.h"
#include "guest/guest_disk.h"
#include "guest/text_lines.h"

namespace rekindle {

class DiskNames {
 public:
  // The boot disk is "a" (/dev/sda, /dev/vda, ...), options.data_disks are "b", "c", ...
  static Result<DiskNames> of(const GuestDisk& guest, const ConversionOptions& options);

  // "/dev/sda1" is named `identity` from now on.
  void add(const std::string& disk_letter, int partition, const VolumeIdentity& identity);

  // Whether the name depends on the hardware: /dev/sdb1, /dev/disk/by-path/..., but not UUID=,
  // /dev/mapper/...
  static bool is_hardware_name(std::string_view device);
  // "UUID=..." for a name that is known; empty for others.
  std::string stable_name(std::string_view device) const;

 private:
  std::map<std::string, std::string> uuid_of_;  // "a1" -> UUID
};

// fstab(5): device names become UUIDs; what cannot be resolved gets nofail, so that it does not stop the
// boot.
TextEdit rewrite_fstab(std::string_view text, const DiskNames& names);

// root= and resume= of the kernel's command line, wherever they stand in a boot loader's configuration, and
// RESUME= of initramfs-tools.
TextEdit rewrite_kernel_arguments(std::string_view text, const DiskNames& names);

// Both, in all files of the guest that have them.
Result<> name_disks_by_uuid(GuestDisk& guest, const DiskNames& names, ConversionReport& report);

}  // namespace rekindle
