// The guest's network on other hardware: its NICs keep the names that its configuration uses, and take the
// address that EC2 gives them.
#pragma once

#include "guest/conversion.h"
#include "guest/guest_disk.h"

namespace rekindle {

// What the files of the network were before, by their paths.
inline const std::string originals_folder = "/var/lib/rekindle/before";

// Rewrites the files of ifupdown, netplan, systemd-networkd, NetworkManager and network-scripts, and udev's
// rules that name cards, with the originals kept in `originals_folder`; writes .link files (systemd.link(5))
// and udev's rules that name the NICs. Of a guest with several whose new addresses are not known, the one of
// the gateway is the first.
Result<> adapt_network(GuestDisk& guest, const ConversionOptions& options, ConversionReport& report);

}  // namespace rekindle
