#include "protect/image_copy.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <semaphore>

#include "base/page_buffer.h"
#include "base/parallel.h"
#include "crypto/hash.h"
#include "protect/block_feed.h"

namespace rekindle {

namespace {
// Read back and compared at a time: two blocks of 512 KiB each.
constexpr std::size_t parallel_compares = 48;
// So often there is a checkpoint; what is put beyond it, a crash may cost to put again.
constexpr std::size_t window_blocks = 128;
}  // namespace

std::vector<std::uint64_t> blocks_of(const Extents& areas) {
  std::vector<std::uint64_t> blocks;
  for (const Extent& area : areas) {
    if (area.length == 0) continue;
    std::uint64_t index = area.offset / image_block_bytes;
    if (!blocks.empty() && blocks.back() == index) ++index;
    for (; index * image_block_bytes < area.end(); ++index) blocks.push_back(index);
  }
  return blocks;
}

Result<> read_block(BlockSource& disk, std::uint64_t index, ByteSpan content) {
  CHECK(content.size() == image_block_bytes);
  const std::uint64_t start = index * image_block_bytes;
  const std::uint64_t there = start < disk.size() ? disk.size() - start : 0;
  const ByteSpan data = content.first(std::min<std::uint64_t>(image_block_bytes, there));
  if (!data.empty()) TRY(disk.read_at(start, data));
  std::ranges::fill(content.subspan(data.size()), std::byte{0});
  return {};
}

Result<Bytes> read_block(BlockSource& disk, std::uint64_t index) {
  Bytes content(image_block_bytes);
  TRY(read_block(disk, index, content));
  return content;
}

namespace {

// Blocks are done in any order; a checkpoint is of those before which nothing is missing.
class Checkpoints {
 public:
  Checkpoints(std::size_t begin, std::size_t end, const std::function<Result<>(std::size_t done)>& make)
      : is_done_(end - begin), begin_(begin), make_(make) {}

  Result<> done(std::size_t position) {
    const std::lock_guard lock(mutex_);
    is_done_[position - begin_] = true;
    while (prefix_ < is_done_.size() && is_done_[prefix_]) ++prefix_;
    const bool due = prefix_ - told_ >= window_blocks || prefix_ == is_done_.size();
    if (!due) return {};
    told_ = prefix_;
    return make_(begin_ + told_);
  }

 private:
  std::mutex mutex_;
  std::vector<bool> is_done_;
  const std::size_t begin_;
  std::size_t prefix_ = 0;
  std::size_t told_ = 0;
  const std::function<Result<>(std::size_t done)>& make_;
};

// Tells the writer what an earlier process has put.
Result<> resume(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t done,
                ImageWriter& writer, const std::stop_token& stop) {
  const std::vector<std::uint64_t> put(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(done));
  std::vector<BlockDigest> digests(done);
  BlockFeed feed(disk, put, 0, true);
  TRY(parallel_for(done, parallel_reads, stop, [&](std::size_t) -> Result<> {
    auto block = TRY(feed.next());
    if (!block) return {};  // one could not be read, and another thread says why
    digests[block->position] = {put[block->position], block->digest};
    feed.give_back(*std::move(block));
    return {};
  }));
  writer.resume_from(digests);
  return {};
}

}  // namespace

Result<> put_blocks(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t done,
                    ImageWriter& writer, Progress& progress, std::stop_token stop,
                    const std::function<Result<>(std::size_t done)>& checkpoint) {
  CHECK(done <= blocks.size());
  writer.stop_with(stop);
  if (done > 0 && writer.needs_digests()) TRY(resume(disk, blocks, done, writer, stop));
  progress.bytes_done += done * image_block_bytes;
  BlockFeed feed(disk, blocks, done, writer.needs_digests());
  Checkpoints checkpoints(done, blocks.size(), checkpoint);
  return parallel_for(blocks.size() - done, writer.puts_in_flight(), stop, [&](std::size_t) -> Result<> {
    auto block = TRY(feed.next());
    if (!block) return {};  // one could not be read, and another thread says why
    const BlockDigest named{blocks[block->position], block->digest};
    TRY(writer.put_digested(named, block->content.view()), "block {}", named.index);
    progress.bytes_done += image_block_bytes;
    const std::size_t position = block->position;
    feed.give_back(*std::move(block));
    return checkpoints.done(position);
  });
}

namespace {

// A thread's room for a block, until its next call: to make it, and to fill it with zeros, for each block
// would cost as much as to copy it.
ByteSpan room_for_a_block() {
  thread_local PageBuffer room(image_block_bytes);
  return room.span();
}

// read_block() by any number of threads, few of which read at a time.
class DiskReader {
 public:
  explicit DiskReader(BlockSource& disk) : disk_(disk) {}
  Result<> read(std::uint64_t index, ByteSpan content) {
    turns_.acquire();
    auto done = read_block(disk_, index, content);
    turns_.release();
    return done;
  }

 private:
  BlockSource& disk_;
  std::counting_semaphore<> turns_{std::ptrdiff_t{parallel_reads}};
};

// Which blocks differ, noted by any thread.
class Differences {
 public:
  void note(std::uint64_t index) {
    const std::lock_guard lock(mutex_);
    found_.push_back(index);
  }
  std::vector<std::uint64_t> ascending() {
    const std::lock_guard lock(mutex_);
    std::ranges::sort(found_);
    return found_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::uint64_t> found_;
};

}  // namespace

Result<std::vector<std::uint64_t>> differing_blocks(BlockSource& disk, BlockSource& image,
                                                    const std::vector<std::uint64_t>& blocks,
                                                    Progress& progress, std::stop_token stop) {
  Differences differences;
  DiskReader reader(disk);
  TRY(parallel_for(blocks.size(), parallel_compares, std::move(stop), [&](std::size_t i) -> Result<> {
    const Bytes stored = TRY(read_block(image, blocks[i]), "reading back block {}", blocks[i]);
    const ByteSpan wanted = room_for_a_block();
    TRY(reader.read(blocks[i], wanted), "reading block {} of the recovery point", blocks[i]);
    if (std::memcmp(stored.data(), wanted.data(), wanted.size()) != 0) differences.note(blocks[i]);
    progress.bytes_done += image_block_bytes;
    return {};
  }));
  return differences.ascending();
}

Result<std::vector<std::uint64_t>> differing_from_record(BlockSource& image,
                                                         const std::vector<ConvertedBlock>& blocks,
                                                         Progress& progress, std::stop_token stop) {
  Differences differences;
  TRY(parallel_for(blocks.size(), parallel_compares, std::move(stop), [&](std::size_t i) -> Result<> {
    const Bytes stored = TRY(read_block(image, blocks[i].index), "reading back block {}", blocks[i].index);
    if (to_hex(sha256(stored)) != blocks[i].sha256) differences.note(blocks[i].index);
    progress.bytes_done += image_block_bytes;
    return {};
  }));
  return differences.ascending();
}

}  // namespace rekindle
