// A volume inside a disk: a partition, or a linear logical volume, seen as a disk of its own.
#pragma once

#include <vector>

#include "disk/block_device.h"

namespace rekindle {

// The ranges of `disk`, one after the other. Every range lies inside the disk. `disk` outlives this.
// As thread-safe as `disk`.
class VolumeView final : public BlockTarget {
 public:
  VolumeView(BlockTarget& disk, std::vector<Extent> ranges);

  std::uint64_t size() const override { return size_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> flush() override { return disk_.flush(); }

 private:
  template <typename Part>
  Result<> for_each_part(std::uint64_t offset, std::uint64_t length, Part&& part) const;

  BlockTarget& disk_;
  std::vector<Extent> ranges_;
  std::uint64_t size_ = 0;
};

}  // namespace rekindle
