// The second archive that gives an initrd the drivers of EC2. The kernel unpacks any number of archives in a
// row, each with its own compression (Documentation/driver-api/early-userspace/buffer-format.rst), so the
// guest's own initrd is not touched, only appended to:
//
//   the guest's initrd | zeros to a multiple of 4 | archive (zstd, or plain) | zeros to 4 | mark, 1024 bytes
//
// The mark is a plain cpio archive of one file, lib/modules/<version>/rekindle-conversion, of a fixed length:
// whether an initrd was converted is seen from its last 1024 bytes, and the original is what comes before
// `original_bytes`. No entry is called "lib" or "usr": a directory of that name would replace the symbolic
// link that newer initrds have.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace rekindle {

constexpr std::uint64_t initrd_mark_bytes = 1024;

// By path below lib/modules/<version>.
using ModuleFiles = std::map<std::string, Bytes>;

enum class ArchiveCompression { zstd, none };

// What to append to an initrd that is `original_bytes` long.
Result<Bytes> make_initrd_archive(const std::string& kernel_version, const ModuleFiles& files,
                                  ArchiveCompression compression, std::uint64_t original_bytes);

// The length of the initrd before it was converted, if these last bytes of it (initrd_mark_bytes) are our
// mark.
std::optional<std::uint64_t> read_initrd_mark(const std::string& kernel_version, ByteView last_bytes);

}  // namespace rekindle
