#include "guest/volume_view.h"

#include <algorithm>

namespace rekindle {

VolumeView::VolumeView(BlockTarget& disk, std::vector<Extent> ranges)
    : disk_(disk), ranges_(std::move(ranges)) {
  for (const Extent& range : ranges_) {
    CHECK(range.end() >= range.offset && range.end() <= disk.size());
    size_ += range.length;
  }
}

// Calls part(offset in the disk, offset in the request, length) for each range that a request touches.
template <typename Part>
Result<> VolumeView::for_each_part(std::uint64_t offset, std::uint64_t length, Part&& part) const {
  CHECK(offset <= size_ && length <= size_ - offset);
  std::uint64_t done = 0;
  std::uint64_t range_start = 0;
  for (const Extent& range : ranges_) {
    const std::uint64_t position = offset + done;
    if (done < length && position < range_start + range.length) {
      const std::uint64_t inside = position - range_start;
      const std::uint64_t step = std::min(range.length - inside, length - done);
      TRY(part(range.offset + inside, done, step));
      done += step;
    }
    range_start += range.length;
  }
  return {};
}

Result<> VolumeView::read_at(std::uint64_t offset, ByteSpan bytes) {
  return for_each_part(offset, bytes.size(), [&](std::uint64_t at, std::uint64_t done, std::uint64_t step) {
    return disk_.read_at(at, bytes.subspan(done, step));
  });
}

Result<> VolumeView::write_at(std::uint64_t offset, ByteView bytes) {
  return for_each_part(offset, bytes.size(), [&](std::uint64_t at, std::uint64_t done, std::uint64_t step) {
    return disk_.write_at(at, bytes.subspan(done, step));
  });
}

}  // namespace rekindle
