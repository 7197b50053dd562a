// Any bytes as a frame that was opened: `corrupt`, or a payload that survives being encoded again.
#include "vault/frame.h"

namespace rekindle {
namespace {

void feed(ByteView frame) {
  const Result<Bytes> payload = decode_frame(frame);
  if (!payload.ok()) {
    CHECK(payload.error().code() == ErrorCode::corrupt);
    return;
  }
  CHECK(decode_frame(encode_frame(*payload, 1, 1)).value() == *payload);
}

}  // namespace
}  // namespace rekindle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rekindle::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
