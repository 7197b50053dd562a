// A BlockTarget as libext2fs wants to see it (its io_manager), so that a file system can be opened wherever
// blocks can be read: no device file, no mount.
#pragma once

#include <ext2fs/ext2fs.h>

#include <optional>
#include <string>

#include "disk/block_device.h"

namespace rekindle {

// One volume, used by one thread at a time.
struct Ext4Device {
  BlockTarget& volume;
  // libext2fs knows error numbers only: what the volume said is kept here.
  std::optional<Error> failure;
};

// Opens the file system. Reads and writes outside the volume fail; they never reach it.
Result<ext2_filsys> open_filesystem(Ext4Device& device, bool writable);

// What libext2fs's error code means for the user: the volume's own failure if there was one; `not_found`;
// `exhausted` (no space, no inodes); `failed_precondition` (features nobody here knows); `unavailable` (no
// memory here); else `corrupt`.
Error filesystem_error(Ext4Device& device, errcode_t code);

}  // namespace rekindle
