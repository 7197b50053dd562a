// A disk that another program serves over NBD, as nbdkit, qemu-nbd and our own server do: the client's side.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/file.h"
#include "disk/block_device.h"

struct nbd_handle;

namespace rekindle::nbd {

struct NbdDiskOptions {
  std::string export_name{};
  std::chrono::milliseconds patience{120000};  // for one answer; then the connection is given up
  std::chrono::milliseconds connect_patience{30000};
  std::stop_token stop{};  // gives it up at once: `cancelled`
};

// Any number of threads. One connection, on which the requests of all threads, and the parts of long ones,
// are in flight at once: servers of a disk that only one may open (VDDK's) do not take a second connection.
// Requests of any offset and length; where the server serves only whole blocks (512 bytes for VDDK), the
// blocks at the ends of a write are read first.
//
// Errors: `unavailable`: the server is gone or does not answer; the disk must be opened again, and what was
// not flushed may not be there. Others are the server's refusal of one request.
class NbdDisk final : public BlockTarget {
 public:
  // `failed_precondition`: it is served read-only. Else as above.
  static Result<std::unique_ptr<NbdDisk>> connect(const std::filesystem::path& socket,
                                                  const NbdDiskOptions& options = {});
  ~NbdDisk() override;  // says good-bye, does not flush
  NbdDisk(const NbdDisk&) = delete;
  NbdDisk& operator=(const NbdDisk&) = delete;

  std::uint64_t size() const override { return size_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> write_zeros(std::uint64_t offset, std::uint64_t length) override;
  // Succeeds at once where the server knows no flush: then it has no cache (NBD protocol).
  Result<> flush() override;
  // What the server says of holes; the whole range where it says nothing.
  Result<Extents> data_extents(Extent range) override;

 private:
  struct Request;
  // Sends one part of a request; -1 when the library refuses.
  using Send = std::function<std::int64_t(Extent part, Request& request)>;

  explicit NbdDisk(const NbdDiskOptions& options);
  Result<> shake_hands(const std::filesystem::path& socket);
  Result<> look_at_server();
  Result<> step(int timeout_ms);
  void move_bytes(const std::stop_token& stop);
  void wake();
  void hang_up();
  Result<> perform(std::string_view what, Extent range, std::uint64_t longest_part, const Send& send);
  Result<> await(Request& request);
  Error broken() const;
  Extent widened(Extent range) const;
  Result<> read_whole_blocks(std::uint64_t offset, ByteSpan bytes);
  Result<> write_whole_blocks(std::uint64_t offset, ByteView bytes);

  const NbdDiskOptions options_;
  nbd_handle* handle_ = nullptr;
  FileDescriptor wake_;
  std::uint64_t size_ = 0;
  std::uint64_t block_ = 1;         // the smallest that the server takes
  std::uint64_t longest_part_ = 0;  // of a read or write
  bool knows_zeros_ = false;
  bool knows_flush_ = false;
  bool knows_holes_ = false;
  std::mutex ends_;  // held while the ends of a write are read, changed and written
  std::jthread mover_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace rekindle::nbd
