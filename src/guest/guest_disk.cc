#include "guest/guest_disk.h"

#include <algorithm>

#include "disk/overlay_disk.h"
#include "guest/ext4_superblock.h"
#include "guest/journal_replay.h"

namespace rekindle {

namespace {

constexpr std::uint64_t probe_block_bytes = 64 * kib;

Result<bool> looks_like_root(Ext4Volume& volume) {
  const bool modules = TRY(volume.is_directory("/lib/modules"));
  if (!modules) return false;
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release", "/etc/fstab"}) {
    const bool found = TRY(volume.is_file(path));
    if (found) return true;
  }
  return false;
}

bool is_kernel_file(const std::string& name) {
  return name.starts_with("initrd") || name.starts_with("initramfs-") || name.starts_with("vmlinuz-");
}

Result<bool> holds_kernels(Ext4Volume& volume, const std::string& folder) {
  const auto names = volume.list(folder);
  if (names.ok()) return std::ranges::any_of(*names, is_kernel_file);
  if (names.error().code() == ErrorCode::not_found) return false;
  return names.error();
}

// Asks a question of a file system as it will be after its journal was replayed, without writing to it: most
// volumes of a disk are none of our business.
template <typename Question>
Result<bool> ask(VolumeView& view, Question&& question) {
  OverlayDisk overlay(view, probe_block_bytes);
  TRY(replay_journal(overlay));
  const auto volume = TRY(Ext4Volume::open(overlay));
  return question(*volume);
}

// Whether an error is about this volume (then others may still do), not about the disk or the connection to
// it.
bool is_about_the_volume(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::failed_precondition;
}

}  // namespace

Result<GuestDisk> GuestDisk::open(BlockTarget& disk) {
  GuestDisk guest;
  guest.guest_ = TRY(read_guest_volumes(disk));
  TRY(guest.find_root());
  TRY(guest.find_boot());
  return guest;
}

Result<> GuestDisk::find_root() {
  std::string damage;
  for (std::size_t i = 0; i < guest_.volumes.size(); ++i) {
    if (guest_.volumes[i].identity.kind != VolumeKind::ext) continue;
    const auto answer = ask(*guest_.volumes[i].view, looks_like_root);
    if (!answer.ok()) {
      if (!is_about_the_volume(answer.error())) return answer.error();
      damage += fmt::format("; {}: {}", guest_.volumes[i].name(), answer.error().message());
      continue;
    }
    if (!*answer) continue;
    if (root_) {
      guest_.warnings.push_back(fmt::format("{} also holds a system; the one of {} was converted",
                                            guest_.volumes[i].name(), guest_.volumes[root_index_].name()));
      continue;
    }
    root_index_ = i;
    root_ =
        TRY(open_volume(guest_.volumes[i]), "opening the root file system on {}", guest_.volumes[i].name());
  }
  if (root_) return {};
  return error(ErrorCode::failed_precondition,
               "no Linux root file system that can be converted was found (ext4 on a partition or on a "
               "linear LVM volume is "
               "needed; found {}{}). Install the NVMe driver in the guest's initrd before the disaster, and "
               "fail over without "
               "conversion",
               guest_.inventory(), damage);
}

Result<> GuestDisk::find_boot() {
  const bool on_root = TRY(holds_kernels(*root_, "/boot"), "looking for kernels in /boot");
  if (on_root) return {};
  for (GuestVolume& volume : guest_.volumes) {
    if (volume.identity.kind != VolumeKind::ext || &volume == &guest_.volumes[root_index_]) continue;
    const auto answer = ask(*volume.view, [](Ext4Volume& files) { return holds_kernels(files, "/"); });
    if (!answer.ok() && !is_about_the_volume(answer.error())) return answer.error();
    if (!answer.ok() || !*answer) continue;
    boot_ = TRY(open_volume(volume), "opening the boot file system on {}", volume.name());
    return {};
  }
  return error(ErrorCode::failed_precondition,
               "no kernel was found in /boot of the root file system, nor on another ext4 volume of the disk "
               "(found {})",
               guest_.inventory());
}

Result<std::unique_ptr<Ext4Volume>> GuestDisk::open_volume(GuestVolume& volume) {
  const JournalReplay replayed = TRY(replay_journal(*volume.view));
  journal_blocks_replayed_ += replayed.blocks_written;
  const Ext4Superblock superblock = TRY(Ext4Superblock::read(*volume.view));
  // As the kernel does, which mounts it all the same.
  if (superblock.recorded_errors()) {
    guest_.warnings.push_back(fmt::format(
        "the file system of {} has recorded errors: run e2fsck on it in the guest", volume.name()));
  }
  if (superblock.has_quota()) {
    guest_.warnings.push_back(
        fmt::format("the disk quotas of root on {} do not count what the conversion wrote: run quotacheck",
                    volume.name()));
  }
  return Ext4Volume::open(*volume.view);
}

namespace {

constexpr std::string_view boot_folder = "/boot";

bool is_below_boot(const std::string& path) {
  return path.starts_with("/boot/");
}

}  // namespace

Ext4Volume& GuestDisk::volume_of(const std::string& path) {
  return boot_ && is_below_boot(path) ? *boot_ : *root_;
}

std::string GuestDisk::path_there(const std::string& path) const {
  return boot_ && is_below_boot(path) ? path.substr(boot_folder.size()) : path;
}

std::vector<std::string> GuestDisk::changed_files() const {
  std::vector<std::string> files(root_->changed_files().begin(), root_->changed_files().end());
  if (boot_) {
    for (const std::string& path : boot_->changed_files()) files.push_back(std::string(boot_folder) + path);
  }
  return files;
}

Result<> GuestDisk::close() {
  TRY(root_->close(), "writing the root file system");
  if (boot_) TRY(boot_->close(), "writing the boot file system");
  return {};
}

}  // namespace rekindle
