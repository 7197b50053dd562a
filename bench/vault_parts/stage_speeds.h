// What one core of this machine can do with the content of an image: the limits that a vault's stages set.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "disk/block_device.h"

namespace rekindle {

struct StageSpeeds {  // bytes of the image per second, one thread
  double copy = 0;    // out of the page cache
  double hash = 0;
  double compress = 0;
  double encrypt = 0;  // per byte of the image: only what compression left is encrypted
  double write = 0;    // likewise
  double read = 0;     // of what is stored, likewise
  double decrypt = 0;  // likewise
  double decompress = 0;
};

// Of `sample_bytes` spread evenly over the data of `source`, each stage for itself; files go into `folder`.
Result<StageSpeeds> measure_stages(BlockSource& source, std::uint64_t sample_bytes, int level,
                                   const std::filesystem::path& folder);

}  // namespace rekindle
