#include "disk/block_device.h"

#include <algorithm>

namespace rekindle {

Result<> BlockTarget::write_zeros(std::uint64_t offset, std::uint64_t length) {
  const Bytes zeros(std::min<std::uint64_t>(length, mib));
  while (length > 0) {
    const std::uint64_t step = std::min<std::uint64_t>(length, zeros.size());
    TRY(write_at(offset, ByteView(zeros).first(step)));
    offset += step;
    length -= step;
  }
  return {};
}

}  // namespace rekindle
