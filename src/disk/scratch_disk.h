// A disk that may be written to without its base being changed: what was written lies in another one, which
// may be a sparse file. For disks of any size, unlike OverlayDisk, which keeps all it touched in memory and
// knows what changed.
#pragma once

#include <mutex>
#include <shared_mutex>
#include <vector>

#include "disk/block_device.h"

namespace rekindle {

// Any number of threads. Memory: one bit per block of 4 KiB.
class ScratchDisk final : public BlockTarget {
 public:
  // Both outlive this and have the same size. `scratch` reads as zeros.
  ScratchDisk(BlockSource& base, BlockTarget& scratch);

  std::uint64_t size() const override { return base_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override;
  void will_read(Extent range) override { base_.will_read(range); }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> write_zeros(std::uint64_t offset, std::uint64_t length) override;
  // Does nothing: what is in the scratch is not meant to outlive who made it.
  Result<> flush() override { return {}; }

  // What was written so far, by whole blocks.
  Extents written() const;

 private:
  // Brings a block that is about to be written in part into the scratch.
  Result<> copy_up(std::uint64_t block);
  Result<> copy_up_edges(Extent range);
  void mark(Extent range);
  // The parts of `range`, one after the other, and whether each is in the scratch.
  std::vector<std::pair<Extent, bool>> parts_of(Extent range) const;

  BlockSource& base_;
  BlockTarget& scratch_;
  mutable std::mutex bits_mutex_;
  std::vector<bool> in_scratch_;  // by block
  // Alone: who brings a block up. Shared: who writes; else the old content could come after the new.
  std::shared_mutex writing_;
};

}  // namespace rekindle
