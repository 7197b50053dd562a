#include "disk/file_disk.h"

#include <unistd.h>

#include <cerrno>

namespace rekindle {

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

Result<> FileDisk::write_at(std::uint64_t offset, ByteView bytes) {
  CHECK(offset + bytes.size() <= size_);
  return file_.write_at(offset, bytes);
}

}  // namespace rekindle
