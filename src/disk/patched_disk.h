// A disk of which some blocks are others: what conversion changed, laid over what it was made of.
#pragma once

#include <cstdint>
#include <map>

#include "disk/block_device.h"

namespace rekindle {

// Reads only; any number of threads, if the base allows it. Holds nothing but its blocks.
class PatchedDisk final : public BlockSource {
 public:
  // index -> content of the block at index * block_bytes; the last may be shorter or longer than the disk.
  using Blocks = std::map<std::uint64_t, Bytes>;

  // Both outlive this.
  PatchedDisk(BlockSource& base, const Blocks& blocks, std::uint64_t block_bytes)
      : base_(base), blocks_(blocks), block_bytes_(block_bytes) {}

  std::uint64_t size() const override { return base_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override;

 private:
  BlockSource& base_;
  const Blocks& blocks_;
  const std::uint64_t block_bytes_;
};

}  // namespace rekindle
