// A frame before it is sealed: a few chunks or one page, compressed if that helps.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

// zstd's level; 0 stores plain.
Bytes encode_frame(ByteView payload, std::size_t contents, int compression_level);

// The payload again. The bytes were authenticated, yet nothing in them is trusted: `corrupt`.
Result<Bytes> decode_frame(ByteView frame);

}  // namespace rekindle
