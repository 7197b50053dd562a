// A disk of a vault that costs its restorer nothing but the reads of the store: what a restore would take if
// the processor had no part in it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "disk/block_device.h"
#include "store/object_store.h"

namespace rekindle {

// Reads as much of the store's data packs, one part after the other, as a disk of that content would on
// average, and leaves the reader's bytes as they are: never use what was read. Any number of threads.
class UndecodedDisk final : public BlockSource {
 public:
  // `like` says where data lies; both outlive this. `invalid_argument` if there is no data.
  static Result<std::unique_ptr<UndecodedDisk>> open(ObjectStore& store, BlockSource& like);

  std::uint64_t size() const override { return like_.size(); }
  Result<Extents> data_extents(Extent range) override { return like_.data_extents(range); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;

 private:
  UndecodedDisk(ObjectStore& store, BlockSource& like, std::vector<ObjectInfo> packs, double stored_per_byte)
      : store_(store), like_(like), packs_(std::move(packs)), stored_per_byte_(stored_per_byte) {}

  ObjectStore& store_;
  BlockSource& like_;
  const std::vector<ObjectInfo> packs_;
  const double stored_per_byte_;
  std::mutex mutex_;
  std::size_t pack_ = 0;  // where the next read begins
  std::uint64_t at_ = 0;
};

}  // namespace rekindle
