// A sparse disk whose chunks are made when they are read.
#pragma once

#include <map>

#include "disk/block_device.h"
#include "vault/format.h"

namespace rekindle {

// Chunks with the same tag hold the same bytes; no two tags share content. Half of it compresses. Reading:
// any number of threads.
class ChunkDisk final : public BlockSource {
 public:
  explicit ChunkDisk(std::uint64_t size_bytes);

  void put(std::uint64_t chunk, std::uint64_t tag) { tags_[chunk] = tag; }
  const std::map<std::uint64_t, std::uint64_t>& tags() const { return tags_; }

  std::uint64_t size() const override { return size_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override;

 private:
  const std::uint64_t size_;
  Bytes text_;  // chunks are pieces of it, stamped with their tag
  std::map<std::uint64_t, std::uint64_t> tags_;
};

}  // namespace rekindle
