#include "disk/file_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/page_buffer.h"

namespace rekindle {

namespace {
constexpr std::size_t smallest_direct = 64 * kib;  // below, waiting for the disk costs more than the copy
}  // namespace

Result<std::unique_ptr<FileDisk>> FileDisk::open(const std::filesystem::path& path, File::Mode mode) {
  auto file = TRY(File::open(path, mode));
  const std::uint64_t size = TRY(file.size());
  return std::unique_ptr<FileDisk>(new FileDisk(std::move(file), size));
}

Result<std::unique_ptr<FileDisk>> FileDisk::create(const std::filesystem::path& path, std::uint64_t size) {
  auto file = TRY(File::open(path, File::Mode::create_new));
  TRY(file.resize(size));
  return std::unique_ptr<FileDisk>(new FileDisk(std::move(file), size));
}

Result<Extents> FileDisk::data_extents(Extent range) {
  std::vector<Extent> data;
  auto position = static_cast<off_t>(range.offset);
  const auto end = static_cast<off_t>(range.end());
  while (position < end) {
    const off_t start = ::lseek(file_.fd(), position, SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;  // nothing but hole to the end
    if (start < 0) return Extents{range};    // not a file system that knows its holes
    if (start >= end) break;
    const off_t hole = ::lseek(file_.fd(), start, SEEK_HOLE);
    const off_t stop = hole < 0 ? end : std::min(hole, end);
    data.push_back({static_cast<std::uint64_t>(start), static_cast<std::uint64_t>(stop - start)});
    position = stop;
  }
  return normalize(std::move(data));
}

Result<> FileDisk::reserve(const Extents& areas, const std::stop_token& stop) {
  for (const Extent& area : areas) {
    if (stop.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    while (::fallocate(file_.fd(), 0, static_cast<off_t>(area.offset), static_cast<off_t>(area.length)) !=
           0) {
      if (errno == EINTR) continue;
      if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
      return errno_error(errno, fmt::format("reserving room in {}", file_.path().string()));
    }
  }
  return {};
}

void FileDisk::write_directly() {
  direct_ = FileDescriptor(::open(file_.path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  direct_works_ = static_cast<bool>(direct_);
}

Result<std::size_t> FileDisk::write_direct(std::uint64_t offset, ByteView bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  if ((address | offset | bytes.size()) % page_bytes != 0 || bytes.size() < smallest_direct) return 0;
  const ssize_t put = ::pwrite(direct_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (put >= 0) return static_cast<std::size_t>(put);
  if (errno == EINTR) return 0;
  if (errno != EINVAL) return errno_error(errno, fmt::format("writing to {}", file_.path().string()));
  direct_works_ = false;
  return 0;
}

Result<> FileDisk::write_at(std::uint64_t offset, ByteView bytes) {
  CHECK(offset + bytes.size() <= size_);
  std::size_t done = 0;
  if (direct_works_) done = TRY(write_direct(offset, bytes));
  return done == bytes.size() ? Result<>() : file_.write_at(offset + done, bytes.subspan(done));
}

}  // namespace rekindle
