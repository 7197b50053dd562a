// Linear logical volumes of an LVM2 physical volume, read without device-mapper.
// Source: lvm2, lib/format_text/layout.h (label, metadata area) and lvm.conf(5)'s text metadata.
#pragma once

#include <string>
#include <vector>

#include "disk/block_device.h"

namespace rekindle {

struct LinearVolume {
  std::string name;            // "debian-vg/root"
  std::vector<Extent> ranges;  // of the physical volume, in order; all inside it
};

struct LinearVolumes {
  std::vector<LinearVolume> volumes;
  std::vector<std::string> warnings;  // volumes that are striped, thin, on another disk...: not listed
};

// `corrupt` if the metadata is damaged.
Result<LinearVolumes> read_linear_volumes(BlockSource& physical_volume);

}  // namespace rekindle
