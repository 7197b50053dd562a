// A platform's storage drivers into the initrd of every kernel of a guest, and into those that the guest will
// make itself.
#pragma once

#include "guest/conversion.h"
#include "guest/guest_disk.h"
#include "guest/undo_conversion.h"

namespace rekindle {

// Appends to every initrd that needs it; adds to report.kernels and report.warnings.
// `failed_precondition` if no kernel could boot afterwards.
Result<> add_drivers_to_initrds(GuestDisk& guest, const Hardware& hardware, ConversionReport& report);

// So that the next kernel update keeps them (initramfs-tools, dracut).
Result<> add_drivers_to_configuration(GuestDisk& guest, const Hardware& hardware, ConversionReport& report);

// The way home. Takes off an initrd what was appended to it; one that the guest made since, or that came with
// a new kernel, gets VMware's storage drivers beside EC2's, as it may hold neither. `before`: the guest when
// it left.
Result<> return_initrds(GuestDisk& now, GuestDisk& before, UndoReport& report);

}  // namespace rekindle
