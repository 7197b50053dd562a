// The blocks of a disk on their way into an image: read, and digested where the image wants that, by
// whichever threads come for them.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "base/page_buffer.h"
#include "crypto/hash.h"
#include "disk/block_device.h"
#include "site/recovery_target.h"

namespace rekindle {

// Of one disk, however many threads want its blocks: more only drive each other's chunks out of the caches.
constexpr std::size_t parallel_reads = 16;

struct FedBlock {
  std::size_t position = 0;  // in the list of blocks
  PageBuffer content;        // image_block_bytes
  Sha256 digest{};           // of the content; nothing where none are wanted
};

// Any number of threads. Blocks are taken from the list in rising order, and given as they are read.
class BlockFeed {
 public:
  // `blocks`, from the position `first` on. The references outlive this.
  BlockFeed(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t first, bool digested);

  // Nothing: all were given, or one could not be read.
  Result<std::optional<FedBlock>> next();
  // Its memory is used again: of what was used last, some is still in the caches.
  void give_back(FedBlock block) { buffers_.give_back(std::move(block.content)); }

 private:
  std::vector<FedBlock> take_group();
  Result<> read(std::vector<FedBlock>& group);
  void wake(std::size_t blocks);

  BlockSource& disk_;
  const std::vector<std::uint64_t>& blocks_;
  const bool digested_;
  PageBufferPool buffers_{image_block_bytes};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_;         // position
  std::size_t reading_ = 0;  // groups
  bool failed_ = false;
  std::deque<FedBlock> ready_;
};

}  // namespace rekindle
