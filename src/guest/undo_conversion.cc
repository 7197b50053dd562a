#include "guest/undo_conversion.h"

#include <algorithm>
#include <optional>
#include <set>

#include "disk/overlay_disk.h"
#include "guest/guest_disk.h"
#include "guest/kernel_drivers.h"
#include "guest/network.h"

namespace rekindle {

namespace {

constexpr std::uint64_t overlay_block_bytes = 64 * kib;
constexpr std::uint64_t most_file_bytes = 16 * mib;  // configuration; initrds have a way of their own

Result<std::optional<Bytes>> read_if_there(GuestDisk& guest, const std::string& path) {
  Ext4Volume& volume = guest.volume_of(path);
  const std::string there = guest.path_there(path);
  const bool is_file = TRY(volume.is_file(there), "{}", path);
  if (!is_file) return std::optional<Bytes>();
  return std::optional(TRY(volume.read_all(there, most_file_bytes)));
}

enum class FileOutcome { settled, left };

Result<FileOutcome> undo_file(GuestDisk& now, GuestDisk& before, GuestDisk& converted,
                              const std::string& path, UndoReport& report) {
  const auto present = TRY(read_if_there(now, path));
  const auto wanted = TRY(read_if_there(before, path));
  const auto written = TRY(read_if_there(converted, path));
  // The guest removed it itself, or it is undone already.
  if (!present || present == wanted) return FileOutcome::settled;
  if (present != written) {
    const auto original = TRY(read_if_there(now, originals_folder + path));
    report.left.push_back(path + " was changed on EC2 and is left as it is now; see that it suits VMware" +
                          (original ? " (as it was: " + originals_folder + path + ")" : ""));
    return FileOutcome::left;
  }
  Ext4Volume& volume = now.volume_of(path);
  const std::string there = now.path_there(path);
  TRY(wanted ? volume.replace(there, *wanted) : volume.remove(there));
  report.restored.push_back(path);
  return FileOutcome::settled;
}

// Where a file is left, its original may be nowhere else: that stays, too.
Result<> undo_files(GuestDisk& now, GuestDisk& before, GuestDisk& converted,
                    const std::vector<std::string>& paths, UndoReport& report) {
  std::set<std::string> kept;
  for (const std::string& path : paths) {
    if (path.starts_with(originals_folder)) continue;
    const FileOutcome outcome = TRY(undo_file(now, before, converted, path, report), "{}", path);
    if (outcome == FileOutcome::left) kept.insert(originals_folder + path);
  }
  for (const std::string& path : paths) {
    if (!path.starts_with(originals_folder) || kept.contains(path)) continue;
    TRY(undo_file(now, before, converted, path, report), "{}", path);
  }
  return {};
}

bool is_initrd(const ConversionReport& conversion, const std::string& path) {
  return std::ranges::any_of(conversion.kernels,
                             [&](const KernelReport& kernel) { return kernel.initrd_path == path; });
}

}  // namespace

Result<UndoReport> undo_conversion(BlockTarget& now_disk, BlockSource& before_disk,
                                   const ConversionOptions& options) {
  OverlayDisk converted_disk(before_disk, overlay_block_bytes);
  const ConversionReport conversion =
      TRY(convert_guest(converted_disk, options), "converting the guest as it was when it left");
  OverlayDisk untouched(before_disk, overlay_block_bytes);
  GuestDisk before = TRY(GuestDisk::open(untouched), "opening the disk as it was when it left");
  GuestDisk converted = TRY(GuestDisk::open(converted_disk), "opening the converted disk");
  GuestDisk now = TRY(GuestDisk::open(now_disk), "opening the disk that comes home");
  UndoReport report;
  auto files = conversion.files;
  std::erase_if(files, [&](const std::string& path) { return is_initrd(conversion, path); });
  TRY(undo_files(now, before, converted, files, report));
  TRY(return_initrds(now, before, report));
  TRY(now.close(), "undoing the conversion");
  TRY(now_disk.flush());
  return report;
}

}  // namespace rekindle
