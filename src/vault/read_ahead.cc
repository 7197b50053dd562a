#include "vault/read_ahead.h"

#include <algorithm>

#include "base/bytes.h"

namespace rekindle {

namespace {
constexpr std::size_t worker_count = 2;
constexpr std::size_t most_wanted = 16;
constexpr std::uint64_t step = 4 * mib;        // of one fetch: some frames, with one read of the store
constexpr std::uint64_t close_by = 256 * kib;  // a reader that skips so much still goes on
constexpr std::uint64_t proof = 128 * kib;     // read in a row before anything is fetched
}  // namespace

ReadAhead::ReadAhead(std::uint64_t size, std::uint64_t longest_window, Fetch fetch)
    : size_(size), longest_window_(longest_window), fetch_(std::move(fetch)) {
  for (std::size_t i = 0; i < worker_count; ++i) {
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

ReadAhead::~ReadAhead() {
  for (std::jthread& worker : workers_) worker.request_stop();
  workers_.clear();
}

ReadAhead::Stream& ReadAhead::stream_of(Extent range) {
  const auto goes_on = [&](const Stream& stream) {
    return stream.end <= range.offset && range.offset - stream.end <= close_by;
  };
  auto found = std::ranges::find_if(streams_, goes_on);
  if (found == streams_.end()) {
    found = std::ranges::min_element(streams_, {}, &Stream::last_use);
    *found = {.ahead = range.end()};
  }
  found->last_use = ++reads_;
  return *found;
}

void ReadAhead::was_read(Extent range) {
  const std::lock_guard lock(mutex_);
  Stream& stream = stream_of(range);
  stream.end = range.end();
  stream.read_in_a_row += range.length;
  if (stream.read_in_a_row < proof) return;
  const std::uint64_t window = std::min(longest_window_, 2 * stream.read_in_a_row);
  stream.ahead = std::max(stream.ahead, stream.end);
  // In steps, not at every read: so that neighbours are fetched together.
  if (stream.ahead - stream.end > window / 2) return;
  const std::uint64_t until = std::min(size_, stream.end + window);
  while (stream.ahead < until) {
    const std::uint64_t next = std::min(until, (stream.ahead / step + 1) * step);
    enqueue({stream.ahead, next - stream.ahead});
    stream.ahead = next;
  }
}

void ReadAhead::fetch(Extent range) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t end = std::min(range.end(), range.offset + longest_window_);
  for (std::uint64_t offset = range.offset; offset < end;) {
    const std::uint64_t next = std::min(end, (offset / step + 1) * step);
    enqueue({offset, next - offset});
    offset = next;
  }
}

void ReadAhead::enqueue(Extent range) {
  if (range.length == 0 || wanted_.size() >= most_wanted) return;
  wanted_.push_back(range);
  filled_.notify_one();
}

void ReadAhead::work(const std::stop_token& stop) {
  while (true) {
    Extent next;
    {
      std::unique_lock lock(mutex_);
      if (!filled_.wait(lock, stop, [this] { return !wanted_.empty(); })) return;
      next = wanted_.front();
      wanted_.pop_front();
    }
    if (stop.stop_requested()) return;
    fetch_(next);
  }
}

}  // namespace rekindle
