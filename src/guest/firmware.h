// With which firmware the disk boots, and whether it will find its loader on a machine that never saw it
// before.
#pragma once

#include "guest/conversion.h"
#include "guest/guest_disk.h"

namespace rekindle {

// Sets report.boots_from_bios and boots_from_uefi; warns about an EFI system partition without
// \EFI\BOOT\BOOTX64.EFI, the only loader that a firmware without boot entries of its own starts (UEFI
// specification 2.10, 3.5.1.1).
Result<> check_firmware(const GuestDisk& guest, ConversionReport& report);

}  // namespace rekindle
