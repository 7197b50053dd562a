// A disk that in some areas is another one: what changed since, over what was there before.
#pragma once

#include <atomic>
#include <memory>

#include "disk/block_device.h"

namespace rekindle {

// Reads only; any number of threads, if both disks allow it.
class SplicedDisk final : public BlockSource {
 public:
  // As large as `base`; `areas` of it are those of `other`.
  SplicedDisk(std::unique_ptr<BlockSource> base, std::unique_ptr<BlockSource> other, const Extents& areas);

  std::uint64_t size() const override { return base_->size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override;
  // How much of `other` was read so far, in bytes.
  std::uint64_t bytes_of_other() const { return bytes_of_other_; }

 private:
  const std::unique_ptr<BlockSource> base_;
  const std::unique_ptr<BlockSource> other_;
  const Extents areas_;
  std::atomic<std::uint64_t> bytes_of_other_ = 0;
};

}  // namespace rekindle
