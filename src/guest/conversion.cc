#include "guest/conversion.h"

#include <algorithm>

#include "disk/overlay_disk.h"
#include "guest/disk_names.h"
#include "guest/firmware.h"
#include "guest/guest_disk.h"
#include "guest/kernel_drivers.h"
#include "guest/network.h"
#include "guest/network_check.h"

namespace rekindle {

namespace {

// PRETTY_NAME="Debian GNU/Linux 12 (bookworm)" of os-release(5)
Result<std::string> read_distribution(Ext4Volume& root) {
  constexpr std::string_view key = "PRETTY_NAME=";
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    const bool there = TRY(root.is_file(path));
    if (!there) continue;
    const std::string text = TRY(root.read_text(path));
    for (const std::string& line : split_lines(text)) {
      if (!line.starts_with(key)) continue;
      std::string value = line.substr(key.size());
      std::erase_if(value, [](char c) { return c == '"' || c == '\''; });
      return value;
    }
  }
  return std::string("unknown Linux");
}

Result<ConversionReport> convert(GuestDisk& guest, const ConversionOptions& options) {
  ConversionReport report;
  report.warnings = guest.warnings();
  report.journal_blocks_replayed = guest.journal_blocks_replayed();
  report.distribution = TRY(read_distribution(guest.root()), "finding out what system this is");
  TRY(check_firmware(guest, report));
  const Hardware& hardware = hardware_of(options.platform);
  TRY(add_drivers_to_initrds(guest, hardware, report), "adding {}'s drivers", hardware.name);
  TRY(add_drivers_to_configuration(guest, hardware, report));
  const DiskNames names = TRY(DiskNames::of(guest, options));
  TRY(name_disks_by_uuid(guest, names, report), "naming disks by their UUID");
  TRY(adapt_network(guest, options, report), "adapting the network");
  report.network = TRY(check_network(guest, options), "looking at the network's configuration");
  report.files = guest.changed_files();
  return report;
}

bool is_about_the_guest(const Error& error) {
  return error.code() == ErrorCode::failed_precondition || error.code() == ErrorCode::exhausted ||
         error.code() == ErrorCode::corrupt || error.code() == ErrorCode::not_found;
}

}  // namespace

std::string_view to_string(KernelOutcome outcome) {
  switch (outcome) {
    case KernelOutcome::drivers_added:
      return "drivers_added";
    case KernelOutcome::already_converted:
      return "already_converted";
    case KernelOutcome::built_in:
      return "built_in";
    case KernelOutcome::no_initrd:
      return "no_initrd";
    case KernelOutcome::no_driver:
      return "no_driver";
  }
  return "unknown";
}

bool ConversionReport::changed_anything() const {
  return !changes.empty() || std::ranges::any_of(kernels, [](const KernelReport& kernel) {
    return kernel.outcome == KernelOutcome::drivers_added;
  });
}

Result<ConversionReport> convert_guest(BlockTarget& boot_disk, const ConversionOptions& options) {
  GuestDisk guest = TRY(GuestDisk::open(boot_disk), "opening the guest's disk");
  ConversionReport report =
      TRY(convert(guest, options), "converting the guest for {}", hardware_of(options.platform).name);
  TRY(guest.close(), "converting the guest for {}", hardware_of(options.platform).name);
  TRY(boot_disk.flush());
  return report;
}

Result<Readiness> inspect_guest(BlockSource& boot_disk, const ConversionOptions& options) {
  constexpr std::uint64_t block_bytes = 64 * kib;
  OverlayDisk overlay(boot_disk, block_bytes);
  auto converted = convert_guest(overlay, options);
  Readiness readiness;
  if (!converted.ok()) {
    if (!is_about_the_guest(converted.error())) return converted.error();
    readiness.reason = converted.error().message();
    return readiness;
  }
  readiness.report = std::move(*converted);
  readiness.convertible = true;
  readiness.ready = !readiness.report.changed_anything();
  if (!readiness.ready) readiness.reason = "the guest is not converted yet";
  return readiness;
}

}  // namespace rekindle
