// What the boot loader tells the kernel, in the parts that say who configures the network and how.
#pragma once

#include <string>
#include <string_view>

#include "guest/guest_disk.h"

namespace rekindle {

struct BootArguments {
  std::string init;               // of init=; empty: the system's own
  bool predictable_names = true;  // no net.ifnames=0
};

// Of the first kernel in GRUB's configuration, which is the one that starts unless somebody chooses.
BootArguments boot_arguments_in(std::string_view grub_config);
Result<BootArguments> read_boot_arguments(GuestDisk& guest);

}  // namespace rekindle
