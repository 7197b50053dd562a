#include "protect/block_feed.h"

#include <algorithm>

#include "protect/image_copy.h"

namespace rekindle {

BlockFeed::BlockFeed(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t first,
                     bool digested)
    : disk_(disk), blocks_(blocks), digested_(digested), next_(first) {}

Result<std::optional<FedBlock>> BlockFeed::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    const bool none_left = failed_ || next_ == blocks_.size();
    return !ready_.empty() || (none_left ? reading_ == 0 : reading_ < parallel_reads);
  });
  if (ready_.empty()) {
    if (failed_ || next_ == blocks_.size()) return std::nullopt;
    std::vector<FedBlock> group = take_group();
    ++reading_;
    lock.unlock();
    const auto done = read(group);
    lock.lock();
    --reading_;
    failed_ = failed_ || !done.ok();
    wake(group.size());
    TRY(done);
    std::ranges::move(group, std::back_inserter(ready_));
  }
  FedBlock block = std::move(ready_.front());
  ready_.pop_front();
  return block;
}

// After a group of so many: of those who wait, one may read the next, and the others get what this one
// leaves.
void BlockFeed::wake(std::size_t blocks) {
  if (failed_ || next_ == blocks_.size()) {
    changed_.notify_all();
  } else {
    for (std::size_t i = 0; i < blocks; ++i) changed_.notify_one();
  }
}

// As many as are digested together, but where few are left they are read side by side.
std::vector<FedBlock> BlockFeed::take_group() {
  const std::size_t most = digested_ ? sha256_most_lanes : 1;
  const std::size_t left = blocks_.size() - next_;
  std::vector<FedBlock> group(std::clamp<std::size_t>(left / parallel_reads, 1, most));
  for (FedBlock& block : group) block.position = next_++;
  return group;
}

Result<> BlockFeed::read(std::vector<FedBlock>& group) {
  std::vector<ByteView> contents;
  for (FedBlock& block : group) {
    block.content = buffers_.take();
    TRY(read_block(disk_, blocks_[block.position], block.content.span()));
    contents.push_back(block.content.view());
  }
  if (!digested_) return {};
  std::vector<Sha256> digests(group.size());
  sha256_many(contents, digests);
  for (std::size_t i = 0; i < group.size(); ++i) group[i].digest = digests[i];
  return {};
}

}  // namespace rekindle
