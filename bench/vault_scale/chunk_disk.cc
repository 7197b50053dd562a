#include "bench/vault_scale/chunk_disk.h"

#include "base/random.h"
#include "bench/vault_scale/measurement.h"

namespace rekindle {

ChunkDisk::ChunkDisk(std::uint64_t size_bytes) : size_(size_bytes), text_(SeededRandom(1).bytes(8 * mib)) {
  for (std::size_t i = 0; i < text_.size(); i += 2) text_[i] = std::byte{'a'};
}

Result<> ChunkDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const std::uint64_t at = (offset + done) % chunk_bytes;
    const std::size_t length = std::min<std::size_t>(chunk_bytes - at, bytes.size() - done);
    const ByteSpan piece = bytes.subspan(done, length);
    const auto found = tags_.find((offset + done) / chunk_bytes);
    done += length;
    if (found == tags_.end()) {
      std::ranges::fill(piece, std::byte{0});
      continue;
    }
    Bytes chunk = to_bytes(
        ByteView(text_).subspan(scattered(2, found->second) % (text_.size() - chunk_bytes), chunk_bytes));
    store_le(chunk.data(), found->second);
    std::copy_n(chunk.begin() + static_cast<std::ptrdiff_t>(at), length, piece.begin());
  }
  return {};
}

Result<Extents> ChunkDisk::data_extents(Extent range) {
  std::vector<Extent> found;
  for (auto it = tags_.lower_bound(range.offset / chunk_bytes);
       it != tags_.end() && it->first * chunk_bytes < range.end(); ++it) {
    found.push_back({it->first * chunk_bytes, chunk_bytes});
  }
  return intersect(normalize(std::move(found)), {range});
}

}  // namespace rekindle
