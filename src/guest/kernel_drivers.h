// EC2's storage drivers into the initrd of every kernel of a guest, and into those that the guest will make
// itself.
#pragma once

#include "guest/conversion.h"
#include "guest/guest_disk.h"

namespace rekindle {

// Appends to every initrd that needs it; adds to report.kernels and report.warnings.
// `failed_precondition` if no kernel could boot afterwards.
Result<> add_drivers_to_initrds(GuestDisk& guest, ConversionReport& report);

// So that the next kernel update keeps them (initramfs-tools, dracut).
Result<> add_drivers_to_configuration(GuestDisk& guest, ConversionReport& report);

}  // namespace rekindle
