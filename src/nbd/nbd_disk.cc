#include "nbd/nbd_disk.h"

#include <libnbd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

namespace rekindle::nbd {

namespace {

// Small enough that several are in flight for one long request and that VDDK's buffers on the host are not
// exhausted; large enough that the cost of one does not count.
constexpr std::uint64_t good_part = 2 * mib;
// A server that writes zeros out needs time for each: an answer must come within our patience.
constexpr std::uint64_t good_zeros = 64 * mib;
constexpr std::chrono::milliseconds goodbye_patience{2000};

bool is_over(nbd_handle* handle) {
  return nbd_aio_is_dead(handle) == 1 || nbd_aio_is_closed(handle) == 1;
}

std::string said_by_library() {
  const char* said = nbd_get_error();
  return said == nullptr ? "it does not say why" : said;
}

}  // namespace

// On the stack of the thread that waits for it.
struct NbdDisk::Request {
  Extent range;
  std::mutex mutex;
  std::condition_variable answered;
  bool done = false;
  int failure = 0;  // errno

  // libnbd calls it in the mover, or in the thread that sends; 1: the library may forget the request.
  static int complete(void* self, int* failure) {
    auto& request = *static_cast<Request*>(self);
    const std::lock_guard lock(request.mutex);
    request.failure = *failure;
    request.done = true;
    request.answered.notify_all();
    return 1;
  }
  nbd_completion_callback callback() { return {complete, this, nullptr}; }
};

NbdDisk::NbdDisk(const NbdDiskOptions& options)
    : options_(options), handle_(nbd_create()), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<NbdDisk>> NbdDisk::connect(const std::filesystem::path& socket,
                                                  const NbdDiskOptions& options) {
  std::unique_ptr<NbdDisk> disk(new NbdDisk(options));
  if (disk->handle_ == nullptr || !disk->wake_)
    return error(ErrorCode::exhausted, "no room for an NBD connection: {}", said_by_library());
  TRY(disk->shake_hands(socket), "NBD server at {}", socket.string());
  TRY(disk->look_at_server(), "NBD server at {}", socket.string());
  disk->mover_ = std::jthread([raw = disk.get()](const std::stop_token& stop) { raw->move_bytes(stop); });
  disk->on_stop_.emplace(options.stop, [raw = disk.get()] { raw->hang_up(); });
  return disk;
}

NbdDisk::~NbdDisk() {
  on_stop_.reset();
  if (mover_.joinable()) {
    mover_.request_stop();
    wake();
    mover_.join();
  }
  if (handle_ != nullptr && !is_over(handle_) && nbd_aio_disconnect(handle_, 0) == 0) {
    const auto deadline = std::chrono::steady_clock::now() + goodbye_patience;
    while (!is_over(handle_) && std::chrono::steady_clock::now() < deadline && step(100).ok()) {
    }
  }
  nbd_close(handle_);
}

Result<> NbdDisk::shake_hands(const std::filesystem::path& socket) {
  nbd_set_export_name(handle_, options_.export_name.c_str());
  nbd_add_meta_context(handle_, LIBNBD_CONTEXT_BASE_ALLOCATION);
  if (nbd_aio_connect_unix(handle_, socket.c_str()) == -1)
    return error(ErrorCode::unavailable, "{}", said_by_library());
  const auto deadline = std::chrono::steady_clock::now() + options_.connect_patience;
  while (nbd_aio_is_ready(handle_) != 1) {
    if (is_over(handle_)) return error(ErrorCode::unavailable, "{}", said_by_library());
    if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    if (std::chrono::steady_clock::now() > deadline)
      return error(ErrorCode::unavailable, "it does not answer within {} ms",
                   options_.connect_patience.count());
    TRY(step(100));
  }
  return {};
}

Result<> NbdDisk::look_at_server() {
  if (nbd_is_read_only(handle_) == 1)
    return error(ErrorCode::failed_precondition, "it serves the disk read-only");
  const std::int64_t size = nbd_get_size(handle_);
  if (size < 0) return error(ErrorCode::unavailable, "it does not tell the size: {}", said_by_library());
  size_ = static_cast<std::uint64_t>(size);
  const std::int64_t block = nbd_get_block_size(handle_, LIBNBD_SIZE_MINIMUM);
  const std::int64_t longest = nbd_get_block_size(handle_, LIBNBD_SIZE_MAXIMUM);
  if (block > 0) block_ = static_cast<std::uint64_t>(block);
  longest_part_ = good_part;
  if (longest > 0) longest_part_ = std::min(longest_part_, static_cast<std::uint64_t>(longest));
  longest_part_ = std::max(longest_part_ / block_, std::uint64_t{1}) * block_;
  knows_zeros_ = nbd_can_zero(handle_) == 1;
  knows_flush_ = nbd_can_flush(handle_) == 1;
  knows_holes_ = nbd_can_meta_context(handle_, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
  return {};
}

// Waits until something can be sent or received, or for wake(), and does it. nbd_poll() would do the same,
// but keeps others from sending meanwhile.
Result<> NbdDisk::step(int timeout_ms) {
  const unsigned direction = nbd_aio_get_direction(handle_);
  const bool reads = (direction & LIBNBD_AIO_DIRECTION_READ) != 0;
  const bool writes = (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0;
  const auto events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
  pollfd polled[2] = {{nbd_aio_get_fd(handle_), events, 0}, {wake_.get(), POLLIN, 0}};
  if (::poll(polled, 2, timeout_ms) < 0 && errno != EINTR) return errno_error(errno, "waiting for NBD");
  eventfd_t ignored = 0;
  if (polled[1].revents != 0) (void)::eventfd_read(wake_.get(), &ignored);
  constexpr short trouble = POLLERR | POLLHUP | POLLNVAL;
  if (reads && (polled[0].revents & (POLLIN | trouble)) != 0) {
    nbd_aio_notify_read(handle_);
  } else if (writes && (polled[0].revents & (POLLOUT | trouble)) != 0) {
    nbd_aio_notify_write(handle_);
  }
  return {};
}

// When the connection is over, the library has completed all requests with an error, and takes no new ones.
void NbdDisk::move_bytes(const std::stop_token& stop) {
  while (!stop.stop_requested() && !is_over(handle_) && step(-1).ok()) {
  }
}

void NbdDisk::wake() {
  (void)::eventfd_write(wake_.get(), 1);
}

// The library notices that the connection is gone and completes what is in flight.
void NbdDisk::hang_up() {
  const int socket = nbd_aio_get_fd(handle_);
  if (socket >= 0) ::shutdown(socket, SHUT_RDWR);
  wake();
}

Error NbdDisk::broken() const {
  if (options_.stop.stop_requested()) return {ErrorCode::cancelled, "stopped"};
  return {ErrorCode::unavailable, "the NBD server closed the connection, or did not answer in time"};
}

Result<> NbdDisk::await(Request& request) {
  std::unique_lock lock(request.mutex);
  const auto done = [&] { return request.done; };
  if (!request.answered.wait_for(lock, options_.patience, done)) {
    lock.unlock();
    hang_up();  // the library knows our buffer until it has given the request up
    lock.lock();
    request.answered.wait(lock, done);
  }
  if (request.failure == 0) return {};
  // ENOTCONN: the library gave the request up. Not asked of the handle, which may say it only a moment later.
  if (request.failure == ENOTCONN || request.failure == ESHUTDOWN) return broken();
  return errno_error(request.failure, "the NBD server refuses");
}

// All parts are sent before the first answer is waited for.
Result<> NbdDisk::perform(std::string_view what, Extent range, std::uint64_t longest_part, const Send& send) {
  std::deque<Request> requests;
  Result<> result;
  for (std::uint64_t done = 0; result.ok() && (done < range.length || range.length == 0);) {
    Request& request = requests.emplace_back();
    request.range = {range.offset + done, std::min(longest_part, range.length - done)};
    done += request.range.length;
    if (send(request.range, request) == -1) {
      result = is_over(handle_) ? broken() : error(ErrorCode::internal, "{}", said_by_library());
      requests.pop_back();
    }
    if (range.length == 0) break;
  }
  wake();
  for (Request& request : requests) {
    Result<> answered = await(request);
    if (result.ok() && !answered.ok()) result = std::move(answered);
  }
  if (result.ok()) return {};
  return std::move(result).error().context("{} {} bytes at {}", what, range.length, range.offset);
}

Extent NbdDisk::widened(Extent range) const {
  const std::uint64_t begin = range.offset / block_ * block_;
  const std::uint64_t end = std::min((range.end() + block_ - 1) / block_ * block_, size_);
  return {begin, end - begin};
}

Result<> NbdDisk::read_whole_blocks(std::uint64_t offset, ByteSpan bytes) {
  return perform("reading", {offset, bytes.size()}, longest_part_, [&](Extent part, Request& request) {
    std::byte* to = bytes.data() + (part.offset - offset);
    return nbd_aio_pread(handle_, to, part.length, part.offset, request.callback(), 0);
  });
}

Result<> NbdDisk::write_whole_blocks(std::uint64_t offset, ByteView bytes) {
  return perform("writing", {offset, bytes.size()}, longest_part_, [&](Extent part, Request& request) {
    const std::byte* from = bytes.data() + (part.offset - offset);
    return nbd_aio_pwrite(handle_, from, part.length, part.offset, request.callback(), 0);
  });
}

Result<> NbdDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  if (bytes.empty()) return {};
  const Extent whole = widened({offset, bytes.size()});
  if (whole.length == bytes.size()) return read_whole_blocks(offset, bytes);
  Bytes blocks(whole.length);
  TRY(read_whole_blocks(whole.offset, blocks));
  std::ranges::copy(ByteView(blocks).subspan(offset - whole.offset, bytes.size()), bytes.begin());
  return {};
}

Result<> NbdDisk::write_at(std::uint64_t offset, ByteView bytes) {
  if (bytes.empty()) return {};
  const Extent whole = widened({offset, bytes.size()});
  if (whole.length == bytes.size()) return write_whole_blocks(offset, bytes);
  const std::lock_guard lock(ends_);
  Bytes blocks(whole.length);
  TRY(read_whole_blocks(whole.offset, blocks));
  std::ranges::copy(bytes, blocks.begin() + static_cast<std::ptrdiff_t>(offset - whole.offset));
  return write_whole_blocks(whole.offset, blocks);
}

Result<> NbdDisk::write_zeros(std::uint64_t offset, std::uint64_t length) {
  const bool whole = widened({offset, length}).length == length;
  if (length == 0 || !knows_zeros_ || !whole) return BlockTarget::write_zeros(offset, length);
  return perform("zeroing", {offset, length}, good_zeros, [&](Extent part, Request& request) {
    return nbd_aio_zero(handle_, part.length, part.offset, request.callback(), 0);
  });
}

Result<> NbdDisk::flush() {
  if (!knows_flush_) return {};
  return perform("flushing", {}, 1,
                 [&](Extent, Request& request) { return nbd_aio_flush(handle_, request.callback(), 0); });
}

namespace {

// Block status as it comes in: pairs of length and flags from an offset on.
struct HoleMap {
  std::uint64_t at = 0;
  std::uint64_t end = 0;
  std::vector<Extent> data;

  static int take(void* self, const char* context, std::uint64_t, std::uint32_t* entries, std::size_t count,
                  int*) {
    auto& map = *static_cast<HoleMap*>(self);
    if (std::string_view(context) != LIBNBD_CONTEXT_BASE_ALLOCATION) return 0;
    for (std::size_t i = 0; i + 1 < count && map.at < map.end; i += 2) {
      const std::uint64_t length = std::min<std::uint64_t>(entries[i], map.end - map.at);
      if ((entries[i + 1] & LIBNBD_STATE_ZERO) == 0) map.data.push_back({map.at, length});
      map.at += length;
    }
    return 0;
  }
};

}  // namespace

Result<Extents> NbdDisk::data_extents(Extent range) {
  if (!knows_holes_ || range.length == 0) return normalize({range});
  const Extent whole = widened(range);
  HoleMap map{whole.offset, whole.end(), {}};
  while (map.at < map.end) {
    const std::uint64_t before = map.at;
    const std::uint64_t length = std::min<std::uint64_t>(map.end - map.at, std::uint64_t{1} << 30);
    TRY(perform("asking for holes of", {map.at, length}, length, [&](Extent part, Request& request) {
      const nbd_extent_callback take{HoleMap::take, &map, nullptr};
      return nbd_aio_block_status(handle_, part.length, part.offset, take, request.callback(), 0);
    }));
    if (map.at == before) return error(ErrorCode::internal, "the NBD server's map of holes has gaps");
  }
  return intersect(normalize(std::move(map.data)), {range});
}

}  // namespace rekindle::nbd
