#include "sandbox/region/volume_export.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "sandbox/qemu/qmp.h"
#include "sandbox/region/block_holder.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;

namespace {

constexpr auto patience = std::chrono::seconds(15);
constexpr auto pause = std::chrono::milliseconds(5);

bool shows(const fs::path& file, std::uint64_t size_bytes) {
  struct stat status{};
  return ::stat(file.c_str(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) == size_bytes;
}

fs::path log_of(const VolumeExport& wanted) {
  return fs::path(wanted.socket).replace_extension(".log");
}

// A killed daemon leaves a mount whose every access fails with ENOTCONN.
Result<> clear_dead_mount(const fs::path& mountpoint) {
  struct stat status{};
  if (::stat(mountpoint.c_str(), &status) == 0 || errno != ENOTCONN) return {};
  if (::umount2(mountpoint.c_str(), MNT_DETACH) == 0) return {};
  TRY(run_tool({"fusermount3", "-u", "-z", mountpoint.string()}), "removing the mount of a killed export");
  return {};
}

}  // namespace

Result<> ensure_export(const VolumeExport& wanted, std::uint64_t size_bytes) {
  if (find_holder(wanted.socket) != 0 && shows(wanted.mountpoint, size_bytes)) return {};
  kill_process(find_holder(wanted.socket));
  TRY(clear_dead_mount(wanted.mountpoint));
  TRY(make_directories(wanted.mountpoint.parent_path()));
  TRY(make_directories(wanted.socket.parent_path()));
  TRY(remove_file(wanted.socket));
  TRY(File::open(wanted.mountpoint, File::Mode::create));
  const nlohmann::json share = {{"type", "fuse"},
                                {"id", "volume"},
                                {"node-name", wanted.layers.top()},
                                {"mountpoint", wanted.mountpoint.string()},
                                {"writable", true}};
  std::vector<std::string> command = {"qemu-storage-daemon"};
  const auto layers = options_of(wanted.layers, "--");
  command.insert(command.end(), layers.begin(), layers.end());
  command.insert(command.end(),
                 {"--export", share.dump(), "--chardev",
                  fmt::format("socket,id=control,server=on,wait=off,path={}", wanted.socket.string()),
                  "--monitor", "chardev=control"});
  const pid_t daemon = TRY(start_daemon(command, {log_of(wanted)}));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!shows(wanted.mountpoint, size_bytes)) {
    if (!process_lives(daemon, "qemu-storage-daemon") || std::chrono::steady_clock::now() > deadline) {
      kill_process(daemon);
      const auto log = read_text_file(log_of(wanted));
      return error(ErrorCode::unavailable, "showing a volume as a file (FUSE) failed: {}",
                   log.ok() ? *log : "no reason given");
    }
    std::this_thread::sleep_for(pause);
  }
  return {};
}

Result<> end_export(const VolumeExport& ended) {
  const pid_t daemon = find_holder(ended.socket);
  if (daemon != 0) {
    const auto qmp = TRY(Qmp::connect(ended.socket));
    const auto quit = qmp->execute("quit");
    // The answer may be lost in its own effect.
    if (!quit.ok() && !quit.error().transient()) return quit.error();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (process_lives(daemon, "qemu-storage-daemon")) {
      if (std::chrono::steady_clock::now() > deadline) {
        return error(ErrorCode::unavailable, "the file {} is still in use; close it first",
                     ended.mountpoint.string());
      }
      std::this_thread::sleep_for(pause);
    }
  }
  TRY(clear_dead_mount(ended.mountpoint));
  TRY(remove_file(ended.socket));
  TRY(remove_file(log_of(ended)));
  return remove_file(ended.mountpoint);
}

}  // namespace rekindle::sandbox
