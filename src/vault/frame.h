// A frame before it is sealed: a few chunks or one page, compressed if that helps.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

// zstd's level; 0 stores plain.
Bytes encode_frame(ByteView payload, std::size_t contents, int compression_level);
// The same for who makes many: into `room`, which grows to what is needed and is used again.
ByteView encode_frame_into(Bytes& room, ByteView payload, std::size_t contents, int compression_level);

// The payload again. The bytes were authenticated, yet nothing in them is trusted: `corrupt`.
Result<Bytes> decode_frame(ByteView frame);
// The same in two parts, for who knows where the payload shall lie: its length, and then the payload into
// exactly as much room.
Result<std::size_t> payload_length(ByteView frame);
Result<> decode_frame(ByteView frame, ByteSpan payload);

}  // namespace rekindle
