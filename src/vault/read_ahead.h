// Sees who reads on and on, and fetches what comes next before it is asked for.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "disk/extent.h"

namespace rekindle {

// Any number of threads. Follows a few streams at once; the window of each doubles with what it has read, so
// a reader that jumps costs nothing.
class ReadAhead {
 public:
  // Fetches a range of the disk into a cache; called on threads of this. Must outlive this.
  using Fetch = std::function<void(Extent range)>;
  // `longest_window` in bytes, of a disk with `size` bytes.
  ReadAhead(std::uint64_t size, std::uint64_t longest_window, Fetch fetch);
  ~ReadAhead();

  void was_read(Extent range);
  // At once, in the background; forgotten if there is too much to do already.
  void fetch(Extent range);

 private:
  struct Stream {
    std::uint64_t end = UINT64_MAX;   // of the last read
    std::uint64_t ahead = 0;          // fetched up to here
    std::uint64_t read_in_a_row = 0;  // bytes
    std::uint64_t last_use = 0;
  };
  Stream& stream_of(Extent range);
  void enqueue(Extent range);
  void work(const std::stop_token& stop);

  const std::uint64_t size_;
  const std::uint64_t longest_window_;
  const Fetch fetch_;
  std::mutex mutex_;
  std::condition_variable_any filled_;
  std::array<Stream, 8> streams_;
  std::uint64_t reads_ = 0;
  std::deque<Extent> wanted_;
  std::vector<std::jthread> workers_;
};

}  // namespace rekindle
