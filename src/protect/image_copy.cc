#include "protect/image_copy.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <semaphore>

#include "base/parallel.h"
#include "crypto/gathered_sha256.h"

namespace rekindle {

namespace {
// Of a disk, however many puts are under way: more at a time only drive each other's chunks out of the
// caches.
constexpr std::ptrdiff_t parallel_reads = 16;
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

// A thread's room for a block, until its next call: to make it, and to fill it with zeros, for each block
// would cost as much as to copy it.
ByteSpan room_for_a_block() {
  thread_local Bytes room(image_block_bytes);
  return room;
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
  std::counting_semaphore<> turns_{parallel_reads};
};

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

Result<> resume(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t done,
                ImageWriter& writer, std::stop_token stop) {
  std::vector<BlockDigest> digests(done);
  GatheredSha256 digest;
  TRY(parallel_for(done, parallel_reads, std::move(stop), [&](std::size_t i) -> Result<> {
    const ByteSpan content = room_for_a_block();
    TRY(read_block(disk, blocks[i], content));
    digests[i] = {blocks[i], digest(content)};
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
  if (done > 0) TRY(resume(disk, blocks, done, writer, stop));
  progress.bytes_done += done * image_block_bytes;
  DiskReader reader(disk);
  Checkpoints checkpoints(done, blocks.size(), checkpoint);
  return parallel_for(blocks.size() - done, writer.puts_in_flight(), stop, [&](std::size_t i) -> Result<> {
    const std::uint64_t index = blocks[done + i];
    const ByteSpan content = room_for_a_block();
    TRY(reader.read(index, content));
    TRY(writer.put_block(index, content), "block {}", index);
    progress.bytes_done += content.size();
    return checkpoints.done(done + i);
  });
}

namespace {

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
