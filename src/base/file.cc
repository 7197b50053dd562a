#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace rekindle {

namespace fs = std::filesystem;

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<File> File::open(const fs::path& path, Mode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case Mode::read:
      flags |= O_RDONLY;
      break;
    case Mode::read_write:
      flags |= O_RDWR;
      break;
    case Mode::create:
      flags |= O_RDWR | O_CREAT;
      break;
    case Mode::create_new:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  FileDescriptor fd(::open(path.c_str(), flags, 0600));
  if (!fd) return errno_error(errno, fmt::format("opening {}", path.string()));
  return File(std::move(fd), path);
}

Result<> File::read_at(std::uint64_t offset, ByteSpan bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, fmt::format("reading {}", path_.string()));
    if (got == 0) {
      return error(ErrorCode::corrupt, "{} ends at byte {}, {} bytes too early", path_.string(), offset,
                   bytes.size());
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<> File::write_at(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error(errno, fmt::format("writing {}", path_.string()));
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<std::uint64_t> File::size() const {
  // Seeking also answers for block devices, where stat says 0.
  const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
  if (end < 0) return errno_error(errno, fmt::format("finding the size of {}", path_.string()));
  return static_cast<std::uint64_t>(end);
}

Result<> File::resize(std::uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
    return errno_error(errno, fmt::format("resizing {}", path_.string()));
  }
  return {};
}

Result<> File::punch_hole(std::uint64_t offset, std::uint64_t length) {
  if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                  static_cast<off_t>(length)) == 0) {
    return {};
  }
  const Bytes zeros(std::min<std::uint64_t>(length, mib));
  while (length > 0) {
    const std::uint64_t step = std::min<std::uint64_t>(length, zeros.size());
    TRY(write_at(offset, ByteView(zeros).first(step)));
    offset += step;
    length -= step;
  }
  return {};
}

Result<> File::sync() {
  if (::fdatasync(fd_.get()) != 0) return errno_error(errno, fmt::format("syncing {}", path_.string()));
  return {};
}

Result<Bytes> read_file(const fs::path& path) {
  auto file = TRY(File::open(path, File::Mode::read));
  Bytes content(TRY(file.size()));
  TRY(file.read_at(0, content));
  return content;
}

Result<std::string> read_text_file(const fs::path& path) {
  // Not by size: files of /proc and /sys have none.
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error(errno, fmt::format("opening {}", path.string()));
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, fmt::format("reading {}", path.string()));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<> write_file_atomically(const fs::path& path, ByteView content) {
  std::string temporary = path.string() + ".tmp.XXXXXX";
  FileDescriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error(errno, fmt::format("making a temporary file beside {}", path.string()));
  auto give_up = [&](Error cause) -> Result<> {
    ::unlink(temporary.c_str());
    return cause;
  };
  while (!content.empty()) {
    const ssize_t put = ::write(fd.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return give_up(errno_error(errno, fmt::format("writing {}", path.string())));
    content = content.subspan(static_cast<std::size_t>(put));
  }
  if (::fsync(fd.get()) != 0) return give_up(errno_error(errno, fmt::format("syncing {}", path.string())));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return give_up(errno_error(errno, fmt::format("renaming {} into place", path.string())));
  }
  return sync_directory(path.parent_path());
}

Result<> sync_directory(const fs::path& path) {
  const fs::path directory = path.empty() ? fs::path(".") : path;
  FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0)
    return errno_error(errno, fmt::format("syncing directory {}", directory.string()));
  return {};
}

Result<> make_directories(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) return errno_error(failure.value(), fmt::format("making directory {}", path.string()));
  return {};
}

Result<> remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return errno_error(errno, fmt::format("removing {}", path.string()));
  }
  return {};
}

Result<TemporaryDirectory> TemporaryDirectory::make(std::string_view prefix) {
  std::error_code failure;
  const fs::path parent = fs::temp_directory_path(failure);
  if (failure) return errno_error(failure.value(), "finding the directory for temporary files");
  std::string path = (parent / fmt::format("{}.XXXXXX", prefix)).string();
  if (::mkdtemp(path.data()) == nullptr) return errno_error(errno, fmt::format("making directory {}", path));
  return TemporaryDirectory(path);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

namespace {

Result<FileDescriptor> lock_file(const fs::path& path, int operation) {
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, fmt::format("opening {}", path.string()));
  while (::flock(fd.get(), operation) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK)
      return error(ErrorCode::unavailable, "{} is locked by another process", path.string());
    return errno_error(errno, fmt::format("locking {}", path.string()));
  }
  return fd;
}

}  // namespace

Result<FileLock> FileLock::try_acquire(const fs::path& path) {
  return FileLock(TRY(lock_file(path, LOCK_EX | LOCK_NB)));
}

Result<FileLock> FileLock::acquire(const fs::path& path) {
  return FileLock(TRY(lock_file(path, LOCK_EX)));
}

}  // namespace rekindle
