#include "guest/guest_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "guest/journal_replay.h"

namespace rekindle {

namespace fs = std::filesystem;

namespace {

// Each level is a few hundred bytes of stack.
constexpr std::size_t deepest = 128;

bool is_called(const GuestVolume& volume, const std::string& name) {
  return volume.logical_volume.empty() ? std::to_string(volume.partition) == name
                                       : volume.logical_volume == name;
}

// Whether a link in a folder `depth` below the top leads to something below the top for sure: it climbs only
// at its beginning, and not too far.
bool stays_inside(const std::string& target, std::size_t depth) {
  if (target.empty() || target.starts_with('/') || target.find('\0') != std::string::npos) return false;
  std::size_t climbed = 0;
  bool at_beginning = true;
  for (const fs::path& part : fs::path(target)) {
    if (part == "..") {
      if (!at_beginning || ++climbed > depth) return false;
    } else if (part != ".") {
      at_beginning = false;
    }
  }
  return true;
}

std::string child(const std::string& folder, const std::string& name) {
  return (folder == "/" ? "" : folder) + "/" + name;
}

}  // namespace

Result<GuestFiles> GuestFiles::open(BlockTarget& disk, const std::string& volume) {
  GuestFiles files;
  files.guest_ = TRY(read_guest_volumes(disk));
  TRY(files.choose(volume));
  return files;
}

Result<> GuestFiles::open_volume(GuestVolume& volume) {
  name_ = volume.name();
  if (volume.identity.kind != VolumeKind::ext) {
    return error(
        ErrorCode::failed_precondition,
        "{} holds {}, whose files are not read here: open the disk with 'rekindle point serve', and its "
        "files with guestfish",
        name_, to_string(volume.identity.kind));
  }
  TRY(replay_journal(*volume.view), "replaying the journal of {}", name_);
  files_ = TRY(Ext4Volume::open(*volume.view), "opening {}", name_);
  return {};
}

Result<> GuestFiles::choose(const std::string& wanted) {
  if (!wanted.empty()) {
    const auto named =
        std::ranges::find_if(guest_.volumes, [&](const GuestVolume& one) { return is_called(one, wanted); });
    if (named != guest_.volumes.end()) return open_volume(*named);
    return error(ErrorCode::not_found, "the disk has no volume '{}'; it has {}", wanted, guest_.inventory());
  }
  std::vector<GuestVolume*> readable;
  for (GuestVolume& one : guest_.volumes) {
    if (one.identity.kind == VolumeKind::ext) readable.push_back(&one);
  }
  if (readable.size() == 1) return open_volume(*readable.front());
  for (GuestVolume* one : readable) {
    TRY(open_volume(*one));
    const bool root = TRY(files_->is_directory("/etc"));
    if (root) return {};
  }
  return error(readable.empty() ? ErrorCode::failed_precondition : ErrorCode::invalid_argument,
               "{} (found: {}): {}",
               readable.empty() ? "the disk has no file system that is read here" : "which volume?",
               guest_.inventory(),
               readable.empty() ? "open it with 'rekindle point serve', and its files with guestfish"
                                : "say it with --volume, a partition's number or VG/LV");
}

Result<std::vector<FileInfo>> GuestFiles::list(const std::string& path) {
  const FileInfo top = TRY(files_->info_followed(path));
  if (top.kind == FileKind::directory) return TRY(files_->entries(top.inode), "{}", path);
  return std::vector{TRY(files_->info(path))};
}

Result<GuestFiles::Fetched> GuestFiles::fetch(const std::string& path, const fs::path& to,
                                              std::stop_token stop) {
  std::error_code ignored;
  if (fs::symlink_status(to, ignored).type() != fs::file_type::not_found) {
    return error(ErrorCode::already_exists, "{} exists: name another place", to.string());
  }
  Fetched fetched;
  visited_.clear();
  const FileInfo info = TRY(files_->info(path));
  TRY(fetch_into(info, path, to, 0, fetched, stop));
  return fetched;
}

Result<> GuestFiles::fetch_into(const FileInfo& info, const std::string& path, const fs::path& to,
                                std::size_t depth, Fetched& fetched, const std::stop_token& stop) {
  if (stop.stop_requested()) return error(ErrorCode::cancelled, "stopped");
  switch (info.kind) {
    case FileKind::file:
      return fetch_file(path, info, to, fetched, stop);
    case FileKind::directory:
      return fetch_folder(path, info, to, depth, fetched, stop);
    case FileKind::symbolic_link:
      if (depth == 0 || !stays_inside(info.target, depth - 1)) {
        fetched.left_out.push_back(fmt::format("{}: a symbolic link to {}, outside", path, info.target));
      } else if (::symlink(info.target.c_str(), to.c_str()) != 0) {
        return errno_error(errno, fmt::format("making {}", to.string()));
      }
      return {};
    case FileKind::other:
      fetched.left_out.push_back(path + ": a device, socket, pipe, or damaged");
      return {};
  }
  return {};
}

// In pieces, so that a large file needs no memory; holes stay holes.
Result<> GuestFiles::fetch_file(const std::string& path, const FileInfo& info, const fs::path& to,
                                Fetched& fetched, const std::stop_token& stop) {
  constexpr std::uint64_t piece_bytes = 4 * mib;
  auto file = TRY(File::open(to, File::Mode::create_new));
  TRY(file.resize(info.size_bytes));
  for (std::uint64_t at = 0; at < info.size_bytes; at += piece_bytes) {
    if (stop.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    const Bytes piece =
        TRY(files_->read_inode(info.inode, at, std::min(piece_bytes, info.size_bytes - at)), "{}", path);
    if (!all_zero(piece)) TRY(file.write_at(at, piece));
  }
  ::fchmod(file.fd(), info.mode & 0777U);
  const timespec times[2] = {{info.modified, 0}, {info.modified, 0}};
  ::futimens(file.fd(), times);
  fetched.files += 1;
  fetched.bytes += info.size_bytes;
  return {};
}

Result<> GuestFiles::fetch_folder(const std::string& path, const FileInfo& info, const fs::path& to,
                                  std::size_t depth, Fetched& fetched, const std::stop_token& stop) {
  if (depth > deepest || !visited_.insert(info.inode).second)
    return error(ErrorCode::corrupt, "{}: this folder is in itself, or in two places", path);
  if (::mkdir(to.c_str(), 0700) != 0) return errno_error(errno, fmt::format("making {}", to.string()));
  const auto entries = TRY(files_->entries(info.inode), "{}", path);
  for (const FileInfo& entry : entries) {
    Result<> done = fetch_into(entry, child(path, entry.name), to / entry.name, depth + 1, fetched, stop);
    if (done.ok()) continue;
    // One damaged or doubled entry must not keep the others back; a full disk must.
    const ErrorCode code = done.error().code();
    const bool about_the_file = code == ErrorCode::corrupt || code == ErrorCode::not_found ||
                                code == ErrorCode::failed_precondition || code == ErrorCode::already_exists;
    if (!about_the_file) return done;
    fetched.left_out.push_back(done.error().message());
  }
  ::chmod(to.c_str(), (info.mode & 0777U) | 0700U);
  return {};
}

}  // namespace rekindle
