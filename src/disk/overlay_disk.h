// Writes on top of a disk that is not written to: what conversion changes, kept apart.
#pragma once

#include <map>
#include <mutex>

#include "disk/block_device.h"

namespace rekindle {

// Holds whole blocks of `block_bytes` in memory, those written to and (for speed) those read.
// Any number of threads.
class OverlayDisk final : public BlockTarget {
 public:
  // `base` outlives this. `block_bytes`: the granularity in which changes are reported, e.g. 512 KiB for EBS.
  OverlayDisk(BlockSource& base, std::uint64_t block_bytes) : base_(base), block_bytes_(block_bytes) {}

  std::uint64_t size() const override { return base_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override { return Extents{range}; }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> flush() override { return {}; }

  // The blocks whose content now differs from the base: index (offset / block_bytes) -> content.
  std::map<std::uint64_t, Bytes> changed_blocks() const;
  // How much of the base was read, in bytes.
  std::uint64_t bytes_read() const;

 private:
  struct Block {
    Bytes content;
    Bytes original;  // empty until the first write
  };
  Result<Block*> load(std::uint64_t index);

  BlockSource& base_;
  const std::uint64_t block_bytes_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Block> blocks_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace rekindle
