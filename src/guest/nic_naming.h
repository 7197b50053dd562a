// What a guest will call its network card on other hardware: by udev's rules, by .link files, or by itself.
#pragma once

#include <string>

#include "guest/conversion.h"
#include "guest/guest_disk.h"

namespace rekindle {

struct NicNaming {
  std::string name;
  std::string by;  // the file that says so; empty: none does
};

// The first card of `options.platform`. `predictable`: the kernel was not told net.ifnames=0.
Result<NicNaming> name_of_first_nic(Ext4Volume& root, const ConversionOptions& options, bool predictable);

}  // namespace rekindle
