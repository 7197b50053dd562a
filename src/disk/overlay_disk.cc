#include "disk/overlay_disk.h"

#include <algorithm>

namespace rekindle {

namespace {

// Calls part(block index, offset in block, offset in request, length) for each block a request touches.
template <typename Part>
Result<> for_each_block(std::uint64_t offset, std::uint64_t length, std::uint64_t block_bytes, Part&& part) {
  for (std::uint64_t done = 0; done < length;) {
    const std::uint64_t index = (offset + done) / block_bytes;
    const std::uint64_t inside = (offset + done) % block_bytes;
    const std::uint64_t step = std::min(block_bytes - inside, length - done);
    TRY(part(index, inside, done, step));
    done += step;
  }
  return {};
}

}  // namespace

Result<OverlayDisk::Block*> OverlayDisk::load(std::uint64_t index) {
  const auto found = blocks_.find(index);
  if (found != blocks_.end()) return &found->second;
  const std::uint64_t start = index * block_bytes_;
  Block block;
  block.content.resize(std::min(block_bytes_, size() - start));
  TRY(base_.read_at(start, block.content));
  bytes_read_ += block.content.size();
  return &blocks_.emplace(index, std::move(block)).first->second;
}

Result<> OverlayDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  CHECK(offset + bytes.size() <= size());
  const std::lock_guard lock(mutex_);
  return for_each_block(
      offset, bytes.size(), block_bytes_,
      [&](std::uint64_t index, std::uint64_t inside, std::uint64_t done, std::uint64_t step) -> Result<> {
        const Block* block = TRY(load(index));
        std::copy_n(block->content.begin() + static_cast<std::ptrdiff_t>(inside), step,
                    bytes.begin() + static_cast<std::ptrdiff_t>(done));
        return {};
      });
}

Result<> OverlayDisk::write_at(std::uint64_t offset, ByteView bytes) {
  CHECK(offset + bytes.size() <= size());
  const std::lock_guard lock(mutex_);
  return for_each_block(
      offset, bytes.size(), block_bytes_,
      [&](std::uint64_t index, std::uint64_t inside, std::uint64_t done, std::uint64_t step) -> Result<> {
        Block* block = TRY(load(index));
        if (block->original.empty()) block->original = block->content;
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), step,
                    block->content.begin() + static_cast<std::ptrdiff_t>(inside));
        return {};
      });
}

std::map<std::uint64_t, Bytes> OverlayDisk::changed_blocks() const {
  const std::lock_guard lock(mutex_);
  std::map<std::uint64_t, Bytes> changed;
  for (const auto& [index, block] : blocks_) {
    if (!block.original.empty() && block.original != block.content) changed.emplace(index, block.content);
  }
  return changed;
}

std::uint64_t OverlayDisk::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

}  // namespace rekindle
