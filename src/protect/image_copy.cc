#include "protect/image_copy.h"

#include <algorithm>
#include <mutex>

#include "base/parallel.h"
#include "crypto/hash.h"

namespace rekindle {

namespace {
// In flight: 16 blocks of 512 KiB each way; a window is what a crash may cost to put again.
constexpr std::size_t parallel_blocks = 16;
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

Result<Bytes> read_block(BlockSource& disk, std::uint64_t index) {
  Bytes content(image_block_bytes);
  const std::uint64_t start = index * image_block_bytes;
  if (start < disk.size()) {
    const std::uint64_t length = std::min<std::uint64_t>(image_block_bytes, disk.size() - start);
    TRY(disk.read_at(start, ByteSpan(content).first(length)));
  }
  return content;
}

namespace {

Result<> resume(BlockSource& disk, const std::vector<std::uint64_t>& blocks, std::size_t done,
                ImageWriter& writer, std::stop_token stop) {
  std::vector<BlockDigest> digests(done);
  TRY(parallel_for(done, parallel_blocks, std::move(stop), [&](std::size_t i) -> Result<> {
    const Bytes content = TRY(read_block(disk, blocks[i]));
    digests[i] = {blocks[i], sha256(content)};
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
  if (done > 0) TRY(resume(disk, blocks, done, writer, stop));
  progress.bytes_done += done * image_block_bytes;
  while (done < blocks.size()) {
    const std::size_t window = std::min(window_blocks, blocks.size() - done);
    TRY(parallel_for(window, parallel_blocks, stop, [&](std::size_t i) -> Result<> {
      const std::uint64_t index = blocks[done + i];
      const Bytes content = TRY(read_block(disk, index));
      TRY(writer.put_block(index, content), "block {}", index);
      progress.bytes_done += content.size();
      return {};
    }));
    done += window;
    TRY(checkpoint(done));
  }
  return {};
}

Result<> compare_blocks(BlockSource& disk, BlockSource& image, const std::vector<std::uint64_t>& blocks,
                        Progress& progress, std::stop_token stop) {
  return parallel_for(blocks.size(), parallel_blocks, std::move(stop), [&](std::size_t i) -> Result<> {
    const Bytes wanted = TRY(read_block(disk, blocks[i]));
    const Bytes stored = TRY(read_block(image, blocks[i]), "reading back block {}", blocks[i]);
    if (stored != wanted) {
      return error(
          ErrorCode::corrupt,
          "block {} of the new DR copy is not what was written; it is thrown away, the old copy stays",
          blocks[i]);
    }
    progress.bytes_done += image_block_bytes;
    return {};
  });
}

}  // namespace rekindle
