#include "disk/memory_disk.h"

#include <algorithm>

namespace rekindle {

Result<> MemoryDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  CHECK(offset + bytes.size() <= content_.size());
  std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), bytes.size(), bytes.begin());
  return {};
}

Result<Extents> MemoryDisk::data_extents(Extent range) {
  constexpr std::uint64_t page = 4096;
  std::vector<Extent> data;
  for (std::uint64_t offset = range.offset; offset < range.end();) {
    const std::uint64_t end = std::min(range.end(), (offset / page + 1) * page);
    if (!all_zero(ByteView(content_).subspan(offset, end - offset))) data.push_back({offset, end - offset});
    offset = end;
  }
  return normalize(std::move(data));
}

Result<> MemoryDisk::write_at(std::uint64_t offset, ByteView bytes) {
  CHECK(offset + bytes.size() <= content_.size());
  std::copy(bytes.begin(), bytes.end(), content_.begin() + static_cast<std::ptrdiff_t>(offset));
  return {};
}

}  // namespace rekindle
