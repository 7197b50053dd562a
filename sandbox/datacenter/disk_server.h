// A process that serves the flat disk of a VM that is off to one client, over NBD on a Unix socket, and
// records what is written: what an ESXi host does for VDDK. The block layer is QEMU's (qemu-storage-daemon).
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "sandbox/datacenter/areas.h"
#include "sandbox/qemu/qmp.h"

namespace rekindle::sandbox {

struct ServedFile {
  std::filesystem::path flat;
  std::filesystem::path state;  // a folder for its own files
  int unit = 0;
};

// One thread at a time. The process lives on when this object goes, until it is told to end.
class DiskServer {
 public:
  // It serves nobody yet.
  static Result<std::unique_ptr<DiskServer>> start(const ServedFile& file);
  // Kills the server of an earlier life, if it lives.
  static void kill_earlier(pid_t pid, const ServedFile& file);

  pid_t pid() const { return pid_; }
  bool lives() const;
  // Clients may come, and write.
  Result<> serve_at(const std::filesystem::path& socket);
  // Hangs up. From then on nothing is written: in which units of 64 KiB something was.
  Result<Areas> hang_up();
  Result<> quit();
  void kill();

 private:
  DiskServer(pid_t pid, const ServedFile& file, std::unique_ptr<Qmp> qmp)
      : pid_(pid), file_(file), qmp_(std::move(qmp)) {}
  Result<> command(std::string_view name, nlohmann::json arguments = nlohmann::json::object());
  Result<> start_nbd(const std::filesystem::path& socket);

  const pid_t pid_;
  const ServedFile file_;
  std::unique_ptr<Qmp> qmp_;
};

}  // namespace rekindle::sandbox
