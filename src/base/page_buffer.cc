#include "base/page_buffer.h"

#include <cstdlib>

namespace rekindle {

PageBuffer::PageBuffer(std::size_t bytes) {
  size_ = (bytes + page_bytes - 1) / page_bytes * page_bytes;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page_bytes, size_)));
  CHECK(memory_ != nullptr);
}

void PageBuffer::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

PageBuffer PageBufferPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      PageBuffer buffer = std::move(spare_.back());
      spare_.pop_back();
      return buffer;
    }
  }
  return PageBuffer(buffer_bytes_);
}

void PageBufferPool::give_back(PageBuffer buffer) {
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(buffer));
}

}  // namespace rekindle
