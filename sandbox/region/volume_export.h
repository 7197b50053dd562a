// A volume attached to a proxy: a file of the volume's size whose reads and writes go to its layers
// (qemu-storage-daemon with a FUSE export). The process outlives the server.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "sandbox/region/block_holder.h"

namespace rekindle::sandbox {

struct VolumeExport {
  std::filesystem::path socket;      // control socket
  std::filesystem::path mountpoint;  // the file that shows the volume
  DiskLayers layers;
};

// Returns when the file can be opened; at once if the export is up already.
Result<> ensure_export(const VolumeExport& wanted, std::uint64_t size_bytes);
// Returns when everything written is in the layer's file and the process is gone. Absent is fine.
Result<> end_export(const VolumeExport& ended);

}  // namespace rekindle::sandbox
