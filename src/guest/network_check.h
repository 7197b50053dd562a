// Whether the network of a guest that was converted comes up on other hardware.
#pragma once

#include "guest/conversion.h"
#include "guest/guest_disk.h"

namespace rekindle {

// Reads only. Errors are those of reading; a guest whose files cannot be made sense of is `not_known`.
Result<NetworkReadiness> check_network(GuestDisk& guest, const ConversionOptions& options);

}  // namespace rekindle
