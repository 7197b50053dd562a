// The guest's network on other hardware: its NICs keep the names that its configuration uses, and take the
// address that EC2 gives them.
#pragma once

#include "guest/conversion.h"
#include "guest/guest_disk.h"

namespace rekindle {

// Rewrites ifupdown's, netplan's, systemd-networkd's and NetworkManager's files, with the originals kept
// below /var/lib/rekindle/before, and writes .link files (systemd.link(5)) that name the NICs.
Result<> adapt_network(GuestDisk& guest, const ConversionOptions& options, ConversionReport& report);

}  // namespace rekindle
