#include "store/local_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/file.h"
#include "base/page_buffer.h"
#include "store/direct_read.h"

namespace rekindle {

namespace fs = std::filesystem;

namespace {

constexpr const char* incoming = ".incoming";
// What is smaller is read and written through the page cache: waiting for the disk would cost more than that.
constexpr std::size_t direct_from = 256 * kib;

// A file in `.incoming`, locked by us; gone at the end of its owner's life.
class IncomingFile {
 public:
  static Result<IncomingFile> make(const fs::path& folder) {
    while (true) {
      std::string path = (folder / "XXXXXX").string();
      FileDescriptor fd(::mkostemp(path.data(), O_CLOEXEC));
      if (!fd) return errno_error(errno, fmt::format("making a file in {}", folder.string()));
      // Cannot block for long: only a cleaner tries this lock, and it lets go at once.
      if (::flock(fd.get(), LOCK_EX) != 0) return errno_error(errno, fmt::format("locking {}", path));
      // A cleaner may have come between the making and the lock; from now on it cannot.
      struct stat status{};
      if (::fstat(fd.get(), &status) != 0) return errno_error(errno, fmt::format("looking at {}", path));
      if (status.st_nlink > 0) return IncomingFile(std::move(fd), path);
    }
  }
  IncomingFile(IncomingFile&& other) noexcept
      : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
  IncomingFile& operator=(IncomingFile&&) = delete;
  ~IncomingFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  Result<> write(ByteView content) {
    // Large content goes to the disk directly: through the page cache it would be copied once more, and push
    // out what other programs need there. Not every file system can; then the rest goes the usual way.
    const bool aligned = reinterpret_cast<std::uintptr_t>(content.data()) % page_bytes == 0;
    if (aligned && content.size() >= direct_from && set_direct(true)) {
      const std::size_t pages = content.size() / page_bytes * page_bytes;
      const std::size_t put = write_some(content.first(pages));
      content = content.subspan(put);
      set_direct(false);
    }
    const std::size_t put = write_some(content);
    if (put < content.size()) return errno_error(errno, "writing");
    if (::fsync(fd_.get()) != 0) return errno_error(errno, "syncing");
    return {};
  }

  Result<> link_as(const fs::path& target) {
    if (::link(path_.c_str(), target.c_str()) == 0) return {};
    // Not by us: somebody tidies the directory by hand. Nothing is lost, the same put works.
    if (errno == ENOENT) return error(ErrorCode::unavailable, "{} was removed by another process", path_);
    return errno_error(errno, "linking");
  }

 private:
  // How much of it could be written; when it is not all, errno says why.
  std::size_t write_some(ByteView content) {
    std::size_t done = 0;
    while (done < content.size()) {
      const ssize_t put = ::write(fd_.get(), content.data() + done, content.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) break;
      done += static_cast<std::size_t>(put);
    }
    return done;
  }
  bool set_direct(bool on) {
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    return flags >= 0 && ::fcntl(fd_.get(), F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
  }

  IncomingFile(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  FileDescriptor fd_;
  std::string path_;
};

Time modified(const struct stat& status) {
  const auto since_1970 =
      std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return Time(std::chrono::floor<std::chrono::milliseconds>(since_1970));
}

// What a person needs to know about a put that failed.
Error explain(Error cause, const std::string& name, const fs::path& directory) {
  if (cause.code() == ErrorCode::already_exists) {
    return error(ErrorCode::already_exists, "object {} exists in {}", name, directory.string());
  }
  if (cause.code() == ErrorCode::exhausted) {
    return error(ErrorCode::exhausted,
                 "the vault directory {} is full ({}): free space on it or move it to a larger disk, then "
                 "run it again; "
                 "nothing half-made was left",
                 directory.string(), cause.message());
  }
  return std::move(cause).context("putting object {} into {}", name, directory.string());
}

}  // namespace

Result<std::unique_ptr<LocalStore>> LocalStore::open(const fs::path& directory) {
  std::unique_ptr<LocalStore> store(new LocalStore(directory));
  TRY(make_directories(directory / incoming), "opening the directory {}", directory.string());
  TRY(store->remove_what_the_dead_left(), "opening the directory {}", directory.string());
  return store;
}

Result<> LocalStore::remove_what_the_dead_left() {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(directory_ / incoming, failure)) {
    const FileDescriptor fd(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) TRY(remove_file(entry.path()));
  }
  if (failure)
    return errno_error(failure.value(), fmt::format("listing {}", (directory_ / incoming).string()));
  return {};
}

Result<> LocalStore::make_folders(const fs::path& folder) {
  std::error_code failure;
  if (fs::is_directory(folder, failure)) return {};
  TRY(make_folders(folder.parent_path()));
  fs::create_directory(folder, failure);
  if (failure) return errno_error(failure.value(), "making a folder");
  return sync_directory(folder.parent_path());
}

Result<> LocalStore::put(const std::string& name, ByteView content) {
  TRY(check_object_name(name));
  const fs::path target = directory_ / name;
  auto write = [&]() -> Result<> {
    std::error_code ignored;
    if (fs::exists(target, ignored)) return error(ErrorCode::already_exists, "exists");
    auto file = TRY(IncomingFile::make(directory_ / incoming));
    TRY(file.write(content));
    TRY(make_folders(target.parent_path()));
    TRY(file.link_as(target));
    return sync_directory(target.parent_path());
  };
  Result<> written = write();
  if (!written.ok()) return explain(std::move(written).error(), name, directory_);
  return {};
}

Result<Bytes> LocalStore::get(const std::string& name) {
  TRY(check_object_name(name));
  return read_file(directory_ / name);
}

Result<> LocalStore::read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
  TRY(check_object_name(name));
  // Of content, that is: the index and trees are read again by the next command.
  if (bytes.size() >= direct_from && name.starts_with("data/")) {
    return read_past_cache(directory_ / name, offset, bytes);
  }
  auto file = TRY(File::open(directory_ / name, File::Mode::read));
  return file.read_at(offset, bytes);
}

Result<std::uint64_t> LocalStore::size(const std::string& name) {
  TRY(check_object_name(name));
  std::error_code failure;
  const std::uintmax_t size = fs::file_size(directory_ / name, failure);
  if (failure)
    return errno_error(failure.value(), fmt::format("reading the size of {}", (directory_ / name).string()));
  return size;
}

Result<std::vector<ObjectInfo>> LocalStore::list(std::string_view prefix) {
  const std::string folder(
      prefix.substr(0, prefix.rfind('/') == std::string_view::npos ? 0 : prefix.rfind('/')));
  if (!folder.empty()) TRY(check_object_name(folder));
  std::vector<ObjectInfo> found;
  std::error_code failure;
  fs::recursive_directory_iterator walk(directory_ / folder, failure);
  if (failure == std::errc::no_such_file_or_directory) return found;
  for (; !failure && walk != fs::end(walk); walk.increment(failure)) {
    std::error_code gone;  // removed meanwhile: not an error
    if (walk->is_directory(gone)) {
      if (walk->path().filename() == incoming) walk.disable_recursion_pending();
      continue;
    }
    const std::string name = walk->path().lexically_relative(directory_).generic_string();
    if (!name.starts_with(prefix) || !check_object_name(name).ok()) continue;
    struct stat status{};
    if (::stat(walk->path().c_str(), &status) != 0) continue;
    found.push_back({name, static_cast<std::uint64_t>(status.st_size), modified(status)});
  }
  if (failure) return errno_error(failure.value(), fmt::format("listing {}", (directory_ / folder).string()));
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

Result<> LocalStore::remove(const std::string& name) {
  TRY(check_object_name(name));
  return remove_file(directory_ / name);
}

}  // namespace rekindle
