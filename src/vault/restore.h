// Brings a disk of a recovery point back: onto any other disk, or into a file.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>

#include "disk/block_device.h"

namespace rekindle {

// Told, from any thread, how many more bytes of how many are done.
using RestoreProgress = std::function<void(std::uint64_t more, std::uint64_t total)>;

struct RestoreOptions {
  std::size_t threads = 0;       // that read, check and write; 0: four per core, 24 at most
  bool target_is_blank = false;  // it reads as zeros: holes are left alone, not overwritten
  std::uint64_t first = 0;       // where the target's byte 0 lies in the source
};

// Makes `areas` (of the source) the same in `target`. Returns how many bytes were not holes. Does not flush.
// Memory: up to 15 MiB a thread: what is written, read from the store, and decompressed. The first error ends
// it; `cancelled`; the target is then half written.
Result<std::uint64_t> restore_disk(BlockSource& source, BlockTarget& target, const Extents& areas,
                                   const RestoreOptions& options = {}, std::stop_token stop = {},
                                   const RestoreProgress& progress = {});

struct FileRestore {
  std::optional<Extent> range;  // of the disk; the file begins with it
  std::size_t threads = 0;
  bool overwrite = false;  // what is there under the name; a block device always has to be asked for
  bool sync = false;       // come back only when a power cut cannot undo the naming either
};

// Into a sparse file, which appears under its name when it is whole: until then it is FILE.partial, which an
// error removes, and which one that a killed restore left is taken over. Or onto a block device, in place.
// `already_exists`, `exhausted` (the file system is full), `unavailable` (another restore into it runs).
Result<std::uint64_t> restore_to_file(BlockSource& source, const std::filesystem::path& file,
                                      const FileRestore& options, std::stop_token stop = {},
                                      const RestoreProgress& progress = {});

}  // namespace rekindle
