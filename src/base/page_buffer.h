// Large buffers that are used again and again.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace rekindle {

constexpr std::size_t page_bytes = 4096;

struct FreePages {
  std::size_t mapped_bytes = 0;  // 0: from the heap
  void operator()(std::byte* memory) const;
};

// Memory by whole pages, aligned to them as direct I/O wants it, and not cleared.
class PageBuffer {
 public:
  PageBuffer() = default;
  explicit PageBuffer(std::size_t bytes);

  std::size_t size() const { return size_; }
  ByteSpan span() { return {memory_.get(), size_}; }
  ByteView view() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[], FreePages> memory_;
  std::size_t size_ = 0;
};

// Buffers of one size. Fresh memory costs a page fault every 4 KiB, which for data that streams through is a
// tenth of all work; what was used before costs nothing. Any thread. Holds as many as were ever out at once.
class PageBufferPool {
 public:
  explicit PageBufferPool(std::size_t buffer_bytes) : buffer_bytes_(buffer_bytes) {}

  PageBuffer take();
  void give_back(PageBuffer buffer);

 private:
  const std::size_t buffer_bytes_;
  std::mutex mutex_;
  std::vector<PageBuffer> spare_;
};

}  // namespace rekindle
