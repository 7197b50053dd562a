#include "sandbox/datacenter/disk_server.h"

#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "sandbox/datacenter/disk_images.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr auto export_patience = std::chrono::seconds(10);
constexpr auto end_patience = std::chrono::seconds(10);

std::filesystem::path monitor_of(const ServedFile& file) {
  return file.state / fmt::format("disk{}.qmp", file.unit);
}

}  // namespace

Result<std::unique_ptr<DiskServer>> DiskServer::start(const ServedFile& file) {
  // As for the disks of VMs: it may lose a power cut, not a crash of its programs.
  const json disk = {{"driver", "raw"},
                     {"node-name", "disk"},
                     {"discard", "unmap"},
                     {"file",
                      {{"driver", "file"},
                       {"filename", file.flat.string()},
                       {"discard", "unmap"},
                       {"cache", {{"no-flush", true}}}}}};
  TRY(remove_file(monitor_of(file)));
  const pid_t pid =
      TRY(start_daemon({"qemu-storage-daemon", "--chardev",
                        "socket,server=on,wait=off,id=monitor,path=" + monitor_of(file).string(), "--monitor",
                        "chardev=monitor", "--blockdev", disk.dump()},
                       {file.state / "qemu.log"}));
  auto qmp = Qmp::connect(monitor_of(file));
  if (!qmp.ok()) {
    kill_process(pid);
    return std::move(qmp).error().context("serving {}", file.flat.string());
  }
  std::unique_ptr<DiskServer> server(new DiskServer(pid, file, *std::move(qmp)));
  const Result<> recorded = server->command(
      "block-dirty-bitmap-add", {{"node", "disk"}, {"name", "written"}, {"granularity", 64 * kib}});
  if (recorded.ok()) return server;
  server->kill();
  return recorded.error();
}

void DiskServer::kill_earlier(pid_t pid, const ServedFile& file) {
  if (process_lives(pid, monitor_of(file).string())) kill_process(pid);
}

bool DiskServer::lives() const {
  return process_lives(pid_, monitor_of(file_).string());
}

void DiskServer::kill() {
  if (lives()) kill_process(pid_);
}

Result<> DiskServer::command(std::string_view name, json arguments) {
  TRY(qmp_->execute(name, std::move(arguments)));
  return {};
}

Result<> DiskServer::start_nbd(const std::filesystem::path& socket) {
  return command("nbd-server-start", {{"addr", {{"type", "unix"}, {"data", {{"path", socket.string()}}}}}});
}

Result<> DiskServer::serve_at(const std::filesystem::path& socket) {
  TRY(start_nbd(socket));
  return command(
      "block-export-add",
      {{"type", "nbd"}, {"id", "client"}, {"node-name", "disk"}, {"name", ""}, {"writable", true}});
}

// The record leaves QEMU only through an NBD export, and a process has one NBD server: the client's ends, and
// with it its connections.
Result<Areas> DiskServer::hang_up() {
  TRY(command("nbd-server-stop"));
  TRY(qmp_->wait_event(
      "BLOCK_EXPORT_DELETED", [](const json& data) { return data.value("id", "") == "client"; },
      export_patience));
  const auto socket = file_.state / fmt::format("disk{}.nbd", file_.unit);
  TRY(remove_file(socket));
  TRY(start_nbd(socket));
  TRY(command("block-dirty-bitmap-disable", {{"node", "disk"}, {"name", "written"}}));
  TRY(command("block-export-add", {{"type", "nbd"},
                                   {"id", "record"},
                                   {"node-name", "disk"},
                                   {"name", "record"},
                                   {"bitmaps", {"written"}}}));
  return dirty_areas(socket, "record", "written");
}

Result<> DiskServer::quit() {
  TRY(command("quit"));
  const auto deadline = std::chrono::steady_clock::now() + end_patience;
  while (lives()) {
    if (std::chrono::steady_clock::now() > deadline) kill();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return {};
}

}  // namespace rekindle::sandbox
