// A disk of a recovery point that may be written to; what is written is gone with the process.
#pragma once

#include <filesystem>
#include <memory>

#include "cli/recovery_points.h"
#include "disk/file_disk.h"
#include "disk/scratch_disk.h"

namespace rekindle {

struct ServedDisk {
  std::unique_ptr<BlockSource> source;
  std::unique_ptr<FileDisk> written;  // a sparse file without a name
  std::unique_ptr<ScratchDisk> scratch;
};

// Reads ahead and keeps `cache_bytes` of what was read. The scratch file lies in `folder`.
Result<ServedDisk> open_served_disk(Workplace& workplace, const RecoveryPoint& point, const DiskId& disk,
                                    const std::filesystem::path& folder, std::uint64_t cache_bytes);

}  // namespace rekindle
