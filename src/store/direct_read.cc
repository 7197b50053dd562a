#include "store/direct_read.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/page_buffer.h"

namespace rekindle {

namespace {

// By whole pages around what is wanted. How much of it was read: 0 if that is not possible here, less than
// all at the end of the file.
std::size_t read_direct(const std::filesystem::path& path, std::uint64_t offset, ByteSpan bytes) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!fd) return 0;
  const std::uint64_t begin = offset / page_bytes * page_bytes;
  const std::uint64_t skipped = offset - begin;
  const std::size_t wanted = (skipped + bytes.size() + page_bytes - 1) / page_bytes * page_bytes;
  thread_local PageBuffer room;
  if (room.size() < wanted) room = PageBuffer(wanted);
  std::size_t done = 0;
  while (done < wanted) {
    const ssize_t got =
        ::pread(fd.get(), room.span().data() + done, wanted - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
    if (done % page_bytes != 0) break;  // the end of the file
  }
  const std::size_t useful = std::min<std::size_t>(bytes.size(), done > skipped ? done - skipped : 0);
  copy_bytes(room.view().subspan(skipped, useful), bytes);
  return useful;
}

}  // namespace

Result<> read_past_cache(const std::filesystem::path& path, std::uint64_t offset, ByteSpan bytes) {
  const std::size_t done = read_direct(path, offset, bytes);
  if (done == bytes.size()) return {};
  const File file = TRY(File::open(path, File::Mode::read));
  return file.read_at(offset + done, bytes.subspan(done));
}

}  // namespace rekindle
