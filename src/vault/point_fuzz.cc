// Any bytes as the object of a recovery point: `corrupt`, or a point that is encoded to the same again.
#include "vault/point.h"

namespace rekindle {
namespace {

void feed(ByteView object) {
  const Result<VaultPoint> point = decode_point(object);
  if (!point.ok()) {
    CHECK(point.error().code() == ErrorCode::corrupt);
    return;
  }
  const Bytes bytes = encode_point(*point);
  const VaultPoint again = decode_point(bytes).value();
  CHECK(same_content(*point, again) && encode_point(again) == bytes);
}

}  // namespace
}  // namespace rekindle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rekindle::feed(std::as_bytes(std::span(data, size)));
  return 0;
}
