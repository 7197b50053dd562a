#include "guest/firmware.h"

#include "guest/fat_volume.h"

namespace rekindle {

namespace {

// The folder of the loader that the installation made, for the warning.
Result<std::string> installed_loader(const FatVolume& fat) {
  const auto vendors = fat.list("EFI");
  if (!vendors.ok()) {
    if (vendors.error().code() == ErrorCode::not_found) return std::string();
    return vendors.error();
  }
  for (const FatEntry& vendor : *vendors) {
    if (vendor.directory && vendor.name != "BOOT" && vendor.name != "MICROSOFT") return vendor.name;
  }
  return std::string();
}

Result<> check_efi_partition(const GuestVolume& volume, ConversionReport& report) {
  const auto fat = FatVolume::open(*volume.view);
  if (!fat.ok()) {
    if (fat.error().code() != ErrorCode::corrupt) return fat.error();
    report.warnings.push_back(
        fmt::format("the EFI system partition cannot be read ({})", fat.error().message()));
    return {};
  }
  const bool fallback = TRY(fat->has_file("EFI/BOOT/BOOTX64.EFI"));
  const std::string vendor = TRY(installed_loader(*fat));
  report.boots_from_uefi = fallback;
  if (fallback || vendor.empty()) return {};
  report.warnings.push_back(
      fmt::format("the EFI system partition has a loader in \\EFI\\{0} but none at \\EFI\\BOOT\\BOOTX64.EFI, "
                  "which is the only one "
                  "that a new machine starts: run 'grub-install --force-extra-removable' in the guest",
                  vendor));
  return {};
}

}  // namespace

Result<> check_firmware(const GuestDisk& guest, ConversionReport& report) {
  report.boots_from_bios = guest.table().has_boot_code;
  for (const GuestVolume& volume : guest.volumes()) {
    if (volume.efi_system) TRY(check_efi_partition(volume, report), "looking at the EFI system partition");
  }
  if (!report.boots_from_bios && !report.boots_from_uefi) {
    report.warnings.emplace_back("the disk has neither boot code for BIOS nor a loader that UEFI finds");
  }
  return {};
}

}  // namespace rekindle
