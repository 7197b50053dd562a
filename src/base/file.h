// Files, with errors as values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

// Owns a file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// A file for positioned reads and writes; any thread may call any method.
class File {
 public:
  enum class Mode {
    read,
    read_write,
    create,
    create_new
  };  // create: read_write, made if absent, not truncated
  static Result<File> open(const std::filesystem::path& path, Mode mode);

  // Exactly bytes.size() bytes, or an error (`corrupt` if the file ends before).
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) const;
  Result<> write_at(std::uint64_t offset, ByteView bytes);
  Result<std::uint64_t> size() const;
  Result<> resize(std::uint64_t size);
  // Makes a hole of zeros; falls back to writing zeros.
  Result<> punch_hole(std::uint64_t offset, std::uint64_t length);
  Result<> sync();

  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  File(FileDescriptor fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  FileDescriptor fd_;
  std::filesystem::path path_;
};

Result<Bytes> read_file(const std::filesystem::path& path);
Result<std::string> read_text_file(const std::filesystem::path& path);
// After success the file has the new content, also after a power cut; at no time does a reader see half of it
// (temporary file, fsync, rename, fsync of the directory).
Result<> write_file_atomically(const std::filesystem::path& path, ByteView content);
inline Result<> write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  return write_file_atomically(path, as_bytes(content));
}
Result<> sync_directory(const std::filesystem::path& path);
Result<> make_directories(const std::filesystem::path& path);
Result<> remove_file(const std::filesystem::path& path);  // absent is fine

// A new empty directory that is removed with all it holds at the end of its owner's life.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> make(std::string_view prefix = "rekindle");
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// An exclusive lock on a file, held until destruction or death of the process (flock).
class FileLock {
 public:
  // `unavailable` if another holds it.
  static Result<FileLock> try_acquire(const std::filesystem::path& path);
  static Result<FileLock> acquire(const std::filesystem::path& path);

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace rekindle
