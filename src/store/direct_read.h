// Reading of large parts of files that are read once.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

// As File::read_at of the file, past the page cache where the file system can: making pages for bytes that
// nobody asks for again costs more than reading them, and pushes out what other programs need. (Asking first
// whether the cache has them, with RWF_NOWAIT, would make it read them.) Memory: a buffer for each thread
// that calls, as large as its largest read and a page.
Result<> read_past_cache(const std::filesystem::path& path, std::uint64_t offset, ByteSpan bytes);

}  // namespace rekindle
