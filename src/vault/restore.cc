#include "vault/restore.h"

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/file.h"
#include "base/page_buffer.h"
#include "base/parallel.h"
#include "disk/file_disk.h"

namespace rekindle {

namespace fs = std::filesystem;

namespace {

// Large enough that frames which lie together are read with one call, small enough for the processor's cache.
constexpr std::uint64_t window_bytes = 4 * mib;

// Some of the data of a disk: extents that lie within window_bytes.
using Window = Extents;

std::vector<Window> windows_of(const Extents& data) {
  std::vector<Window> windows;
  std::uint64_t last = UINT64_MAX;
  for (const Extent& extent : data) {
    for (std::uint64_t offset = extent.offset; offset < extent.end();) {
      const std::uint64_t number = offset / window_bytes;
      const std::uint64_t end = std::min(extent.end(), (number + 1) * window_bytes);
      if (number != last) windows.emplace_back();
      windows.back().push_back({offset, end - offset});
      last = number;
      offset = end;
    }
  }
  return windows;
}

// Holes between are read as well, which costs nothing, so that all else is read in one go.
Result<> copy_window(BlockSource& source, BlockTarget& target, const Window& window, std::uint64_t first) {
  thread_local PageBuffer buffer(window_bytes);
  const std::uint64_t begin = window.front().offset;
  const ByteSpan content = buffer.span().first(window.back().end() - begin);
  TRY(source.read_at(begin, content));
  for (const Extent& extent : window) {
    TRY(target.write_at(extent.offset - first, content.subspan(extent.offset - begin, extent.length)));
  }
  return {};
}

// While some wait for the store and the target, others decompress. Not more than memory allows.
std::size_t thread_count(std::size_t wanted) {
  return wanted > 0 ? wanted : std::min(24U, 4 * std::max(1U, std::thread::hardware_concurrency()));
}

// `data` is what the areas hold. Returns its length.
Result<std::uint64_t> copy_data(BlockSource& source, BlockTarget& target, const Extents& data,
                                const RestoreOptions& options, std::stop_token stop,
                                const RestoreProgress& progress) {
  const std::uint64_t total = total_length(data);
  const std::vector<Window> windows = windows_of(data);
  TRY(parallel_for(windows.size(), thread_count(options.threads), std::move(stop),
                   [&](std::size_t i) -> Result<> {
                     TRY(copy_window(source, target, windows[i], options.first));
                     if (progress) progress(total_length(windows[i]), total);
                     return {};
                   }));
  return total;
}

}  // namespace

Result<std::uint64_t> restore_disk(BlockSource& source, BlockTarget& target, const Extents& areas,
                                   const RestoreOptions& options, std::stop_token stop,
                                   const RestoreProgress& progress) {
  std::vector<Extent> found;
  for (const Extent& area : areas) {
    const Extents part = TRY(source.data_extents(area), "reading what the disk holds");
    found.insert(found.end(), part.begin(), part.end());
  }
  const Extents data = normalize(std::move(found));
  if (!options.target_is_blank) {
    for (const Extent& hole : subtract(normalize(areas), data)) {
      if (stop.stop_requested()) return error(ErrorCode::cancelled, "stopped");
      TRY(target.write_zeros(hole.offset - options.first, hole.length));
    }
  }
  return copy_data(source, target, data, options, std::move(stop), progress);
}

namespace {

Error explain_full(Error cause, const fs::path& file) {
  if (cause.code() != ErrorCode::exhausted) return cause;
  return error(ErrorCode::exhausted,
               "{}: the file system is full ({}): free space on it, or restore to another one", file.string(),
               cause.message());
}

// Before hours are spent: holes need no room.
Result<> check_room(const fs::path& folder, std::uint64_t needed) {
  std::error_code failure;
  const fs::space_info space = fs::space(folder, failure);
  if (failure) return errno_error(failure.value(), fmt::format("looking at {}", folder.string()));
  if (space.available >= needed) return {};
  return error(ErrorCode::exhausted,
               "{} has {} free, and the disk needs {}: free space on it, or restore to another one",
               folder.string(), human_bytes(space.available), human_bytes(needed));
}

Result<std::uint64_t> restore_to_device(BlockSource& source, const fs::path& device, Extent range,
                                        const FileRestore& options, std::stop_token stop,
                                        const RestoreProgress& progress) {
  auto target = TRY(FileDisk::open(device, File::Mode::read_write));
  if (target->size() < range.length) {
    return error(ErrorCode::invalid_argument, "{} has {}, and {} are to be restored: use a larger one",
                 device.string(), human_bytes(target->size()), human_bytes(range.length));
  }
  target->write_directly();
  const RestoreOptions how{options.threads, false, range.offset};
  const std::uint64_t done = TRY(restore_disk(source, *target, {range}, how, std::move(stop), progress));
  TRY(target->flush());
  return done;
}

// `data` is what the range holds.
Result<std::uint64_t> fill(BlockSource& source, const fs::path& partial, Extent range, const Extents& data,
                           const FileRestore& options, std::stop_token stop,
                           const RestoreProgress& progress) {
  {
    auto blank = TRY(File::open(partial, File::Mode::create));
    TRY(blank.resize(0));  // what a killed restore left in it
    TRY(blank.resize(range.length));
  }
  auto target = TRY(FileDisk::open(partial, File::Mode::read_write));
  target->write_directly();
  Extents areas;
  for (const Extent& extent : data) areas.push_back({extent.offset - range.offset, extent.length});
  TRY(target->reserve(areas, stop));
  const RestoreOptions how{options.threads, true, range.offset};
  const std::uint64_t done = TRY(copy_data(source, *target, data, how, std::move(stop), progress));
  TRY(target->flush());  // an error of the disk may come only now
  return done;
}

}  // namespace

Result<std::uint64_t> restore_to_file(BlockSource& source, const fs::path& file, const FileRestore& options,
                                      std::stop_token stop, const RestoreProgress& progress) {
  const Extent range = options.range.value_or(Extent{0, source.size()});
  if (range.offset > source.size() || range.length > source.size() - range.offset) {
    return error(ErrorCode::invalid_argument, "the range {}:{} is not inside the disk, which has {} bytes",
                 range.offset, range.length, source.size());
  }
  std::error_code ignored;
  if (fs::exists(file, ignored) && !options.overwrite) {
    return error(ErrorCode::already_exists, "{} exists: name another file, or say --overwrite",
                 file.string());
  }
  if (fs::is_block_file(file, ignored)) {
    return restore_to_device(source, file, range, options, std::move(stop), progress);
  }
  if (fs::is_directory(file, ignored))
    return error(ErrorCode::already_exists, "{} is a folder: name a file", file.string());
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const Extents data = TRY(source.data_extents(range), "reading what the disk holds");
  TRY(check_room(folder, total_length(data)));
  const fs::path partial = file.string() + ".partial";
  const FileLock lock = TRY(FileLock::try_acquire(partial), "another restore writes to {}", partial.string());
  auto done = fill(source, partial, range, data, options, std::move(stop), progress);
  if (done.ok() && ::rename(partial.c_str(), file.c_str()) != 0) {
    done = errno_error(errno, fmt::format("renaming {} to {}", partial.string(), file.string()));
  }
  if (!done.ok()) {
    (void)remove_file(partial).ok();
    return explain_full(std::move(done).error(), file);
  }
  if (options.sync) TRY(sync_directory(folder));
  return done;
}

}  // namespace rekindle
