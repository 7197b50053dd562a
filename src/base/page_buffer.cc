#include "base/page_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

namespace rekindle {

namespace {

constexpr std::size_t huge_page_bytes = 2 * mib;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Begins at a huge page; null if there is no memory. A mapping of its own, so that the advice ends with it.
std::byte* map_huge(std::size_t bytes) {
  void* const mapped =
      ::mmap(nullptr, bytes + huge_page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(mapped);
  const std::size_t before = round_up(reinterpret_cast<std::uintptr_t>(begin), huge_page_bytes) -
                             reinterpret_cast<std::uintptr_t>(begin);
  if (before > 0) ::munmap(begin, before);
  ::munmap(begin + before + bytes, huge_page_bytes - before);
  ::madvise(begin + before, bytes, MADV_HUGEPAGE);  // where it is not taken, all works as well
  return begin + before;
}

}  // namespace

// Direct I/O looks up every page of a buffer: of a huge one once, which more than halves what a copy to a
// disk costs. And what reads files should not read into a std::vector: large ones begin 16 bytes behind a
// page, and to there some processors copy out of the page cache at a quarter of the speed.
PageBuffer::PageBuffer(std::size_t bytes) {
  size_ = round_up(bytes, page_bytes);
  if (size_ >= huge_page_bytes) {
    const std::size_t mapped = round_up(size_, huge_page_bytes);
    memory_ = {map_huge(mapped), FreePages{mapped}};
  } else {
    memory_ = {static_cast<std::byte*>(std::aligned_alloc(page_bytes, size_)), FreePages{}};
  }
  CHECK(size_ == 0 || memory_ != nullptr);
}

void FreePages::operator()(std::byte* memory) const {
  if (mapped_bytes > 0) {
    ::munmap(memory, mapped_bytes);
  } else {
    std::free(memory);
  }
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
