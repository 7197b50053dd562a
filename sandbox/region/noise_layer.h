// What an encrypted volume shows where nothing was ever written: AWS decrypts what is not there, which gives
// noise instead of zeros, also where the volume's snapshot is not encrypted (awslabs/coldsnap#395,
// kubernetes/kubernetes#86064).
//
// It is a layer (qcow2_layer.h) between the volume's own and its snapshot's: noise where none of those below
// has anything, absent elsewhere. Few clusters of noise serve all blocks, and tables that are alike are one
// table, so that a TiB of noise takes less than 4 MiB. Nobody writes to it: the refcounts of what is shared
// are left out.
//
// Rejected: a process that serves noise (nbdkit's random plugin), which volumes, machines and restarts would
// have to wait for; a lowest layer, which the unencrypted volumes of the same snapshot would show too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle::sandbox {

// Whether no layer below has the block.
using IsAbsent = std::function<bool(std::uint64_t index)>;

// The same `seed` (the volume's id) gives the same noise at the same index.
Result<> create_noise_layer(const std::filesystem::path& path, std::uint64_t size_bytes,
                            const std::string& backing_name, std::string_view seed, const IsAbsent& absent);

}  // namespace rekindle::sandbox
