// A disk in a raw image file or a block device. Holes of a file are known as zeros.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>

#include "base/file.h"
#include "disk/block_device.h"

namespace rekindle {

class FileDisk final : public BlockTarget {
 public:
  static Result<std::unique_ptr<FileDisk>> open(const std::filesystem::path& path, File::Mode mode);
  // From here on large writes of whole pages from aligned memory (see PageBuffer) go past the page cache:
  // half the work of a copy, and other programs keep what they have in it. Where the file system cannot,
  // nothing changes.
  void write_directly();
  // Takes the room for these areas from the file system, so that they can be written side by side, and in one
  // go; they still read as zeros. `exhausted`, `cancelled`. Where the file system cannot, nothing happens.
  Result<> reserve(const Extents& areas, const std::stop_token& stop = {});
  // A new sparse file; `already_exists` if it is there.
  static Result<std::unique_ptr<FileDisk>> create(const std::filesystem::path& path, std::uint64_t size);

  std::uint64_t size() const override { return size_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override { return file_.read_at(offset, bytes); }
  Result<Extents> data_extents(Extent range) override;
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> write_zeros(std::uint64_t offset, std::uint64_t length) override {
    return file_.punch_hole(offset, length);
  }
  Result<> flush() override { return file_.sync(); }

 private:
  FileDisk(File file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  // How much of it was written: less where the file system cannot do so.
  Result<std::size_t> write_direct(std::uint64_t offset, ByteView bytes);

  File file_;
  std::uint64_t size_;
  FileDescriptor direct_;
  std::atomic<bool> direct_works_ = false;
};

}  // namespace rekindle
