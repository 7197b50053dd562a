#include "cli/served_disk.h"

namespace rekindle {

namespace {

constexpr std::uint64_t read_ahead_bytes = 8 * mib;

// Without a name it is gone with this process, however that ends.
Result<std::unique_ptr<FileDisk>> make_scratch(const std::filesystem::path& folder, std::uint64_t size) {
  SystemRandom random;
  const std::filesystem::path path = folder / ("rekindle-scratch-" + random.hex(8));
  auto file = FileDisk::create(path, size);
  TRY(remove_file(path));
  if (file.ok()) return file;
  return std::move(file).error().context("making the file for what is written to the disk");
}

}  // namespace

Result<ServedDisk> open_served_disk(Workplace& workplace, const RecoveryPoint& point, const DiskId& disk,
                                    const std::filesystem::path& folder, std::uint64_t cache_bytes) {
  ServedDisk served;
  served.source = TRY(open_disk(workplace, point, disk, {cache_bytes, read_ahead_bytes}));
  served.written = TRY(make_scratch(folder, served.source->size()));
  served.scratch = std::make_unique<ScratchDisk>(*served.source, *served.written);
  return served;
}

}  // namespace rekindle
