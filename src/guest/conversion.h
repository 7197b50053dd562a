// Makes the disk of a VMware guest (Debian, Ubuntu and their kin) boot on EC2, or one of EC2 on VMware:
// storage drivers into every initrd, disks by UUID instead of by device name, a network that comes up on
// other hardware. No guest code runs, nothing is mounted; the guest's disk is treated as hostile input. How
// and why: docs/adr/0003-conversion-by-appended-initrd.md.
#pragma once

#include <string>
#include <vector>

#include "disk/block_device.h"
#include "guest/hardware.h"

namespace rekindle {

struct NicName {
  std::string mac_address;  // of the new NIC, if it is known before the launch: "06:00:00:00:00:01"
  std::string name;         // in the guest: "ens192"; empty: the next that the guest's configuration names
};

struct ConversionOptions {
  // In the order of the network adapters. Empty: the guest finds the NIC that it configures by EC2's drivers,
  // whatever its address; of several the one of its gateway, and the report warns.
  std::vector<NicName> nics{};
  // Static IPv4 addresses become DHCP, which is how EC2 hands out the private address; true leaves them.
  bool keep_static_addresses = false;
  // The other disks in their order, so that /dev/sdb1 in fstab can be named by its UUID. They are only read.
  std::vector<BlockSource*> data_disks{};
  // What it is to boot on. vmware: for a guest that was born on EC2.
  Platform platform = Platform::ec2;
};

enum class KernelOutcome {
  drivers_added,      // its initrd has now what the platform needs
  already_converted,  // by an earlier conversion
  built_in,           // the kernel itself has the storage driver
  no_initrd,          // there is a kernel, but no initrd of it was found
  no_driver,          // there is no storage driver of the platform for it
};

std::string_view to_string(KernelOutcome outcome);  // "drivers_added"

struct KernelReport {
  std::string version;  // "6.1.0-50-amd64"
  KernelOutcome outcome = KernelOutcome::no_initrd;
  std::string initrd_path;           // in the guest: "/boot/initrd.img-6.1.0-50-amd64"
  std::vector<std::string> modules;  // added, by path below /lib/modules/<version>
  std::uint64_t bytes_appended = 0;
  bool has_nic_driver = false;  // one of the platform's is in the root file system (or in the kernel)
};

enum class NetworkVerdict {
  comes_up,    // some tool that starts with the guest asks for an address by DHCP on the platform's NIC
  not_known,   // it is configured in a way that is not read here, or with a static address
  stays_down,  // the guest would run and nobody could reach it
};

// Whether the guest's own configuration brings its network up. Firewalls are not looked at.
struct NetworkReadiness {
  NetworkVerdict verdict = NetworkVerdict::not_known;
  std::string sentence;  // "ens192 by DHCP (ifupdown)", or why not and what to do about it
};

struct ConversionReport {
  std::string distribution;  // "Debian GNU/Linux 12 (bookworm)"
  bool boots_from_bios = false;
  bool boots_from_uefi = false;
  std::vector<KernelReport> kernels;
  std::vector<std::string> changes;    // sentences: what was changed in the guest, but for the initrds
  std::vector<std::string> warnings;   // sentences: what may not work, and what to do about it
  std::vector<std::string> obstacles;  // of the warnings: what may keep it from mounting its disks
  std::vector<std::string> files;      // all that were changed or made, initrds too
  std::uint64_t journal_blocks_replayed = 0;
  NetworkReadiness network;  // as the guest is now

  // Whether the conversion changed anything but replayed journals.
  bool changed_anything() const;
};

// Changes `boot_disk` (the disk that the machine boots from). Converting again changes nothing. After an
// error the disk may be half converted: convert an OverlayDisk and keep its blocks on success only.
// `failed_precondition`: not possible for this guest, the sentence says why and what to do (XFS root, LUKS,
// no kernel with a driver of its disks, ...); `exhausted`: no space in the guest; `corrupt`: damaged
// partition table or file system. Reads and writes from one thread.
Result<ConversionReport> convert_guest(BlockTarget& boot_disk, const ConversionOptions& options);

struct Readiness {
  bool ready = false;        // nothing is left to convert
  bool convertible = false;  // convert_guest would succeed
  std::string reason;        // why it is not ready
  ConversionReport report;   // of the conversion, had it been kept
};

// The same analysis without writing: converts an overlay and throws it away. Fails only where the disk cannot
// be read.
Result<Readiness> inspect_guest(BlockSource& boot_disk, const ConversionOptions& options);

}  // namespace rekindle
