// Disks of a Machine that a program outside reads and writes while it is off.
#include "base/log.h"
#include "base/process.h"
#include "sandbox/datacenter/machine.h"

namespace rekindle::sandbox {

namespace {

// Zombies, too, are gone: their command line is empty.
bool is_gone(pid_t client) {
  return !process_lives(client, std::string_view("", 1));
}

}  // namespace

ServedFile Machine::served_file(int key) const {
  const MachineRecord now = record();
  const DiskRecord* disk = now.find_disk(key);
  const int unit = disk == nullptr ? 0 : disk->unit();
  return {places_.flat(now, unit), places_.state, unit};
}

Result<> Machine::check_unlocked() const {
  const MachineRecord now = record();
  if (now.open_disks.empty()) return {};
  return error(ErrorCode::unavailable, "disk {} of {} is open for writing by another program",
               now.open_disks.front().key, now.name);
}

Result<> Machine::open_disk(int key, const std::filesystem::path& socket, pid_t client) {
  const std::lock_guard lock(operation_);
  const MachineRecord now = record();
  if (now.find_disk(key) == nullptr) return error(ErrorCode::not_found, "{} has no disk {}", now.name, key);
  if (served_.contains(key)) return error(ErrorCode::unavailable, "disk {} of {} is locked", key, now.name);
  if (qemu_ || now.power != PowerState::off)
    return error(ErrorCode::unavailable, "the disks of {} are locked: it is not powered off", now.name);
  if (!now.deltas.empty()) {
    return error(ErrorCode::failed_precondition,
                 "disk {} of {} is not the one that it uses: it has snapshots", key, now.name);
  }
  auto server = TRY(DiskServer::start(served_file(key)));
  const Result<> kept = keep_disk_open(key, *server, socket);
  if (!kept.ok()) {
    server->kill();
    return kept;
  }
  served_[key] = {std::move(server), client};
  return {};
}

// In this order: what is written is not lost when we die after any of its steps.
Result<> Machine::keep_disk_open(int key, DiskServer& server, const std::filesystem::path& socket) {
  TRY(change_record([&](MachineRecord& next) { next.open_disks.push_back({key, server.pid()}); }));
  const Result<> served = server.serve_at(socket);
  if (served.ok()) return {};
  server.kill();
  TRY(forget_open_disk(key, {}));
  return served;
}

Result<> Machine::close_disk(int key) {
  const std::lock_guard lock(operation_);
  if (!served_.contains(key))
    return error(ErrorCode::not_found, "disk {} of {} is not open", key, record().name);
  return close_open_disk(key);
}

Result<> Machine::close_open_disk(int key) {
  const std::unique_ptr<DiskServer> server = std::move(served_.at(key).server);
  served_.erase(key);
  auto written = server->lives() ? server->hang_up() : Error(ErrorCode::unavailable, "its server is gone");
  if (!written.ok()) {
    log::warn("disk {} of {}: {}; all of it counts as written", key, record().name,
              written.error().message());
    server->kill();
    written = Areas{{0, record().find_disk(key)->capacity_bytes}};
  }
  TRY(forget_open_disk(key, *written));
  const Result<> ended = server->quit();
  if (!ended.ok()) server->kill();
  return {};
}

Result<> Machine::forget_open_disk(int key, const Areas& written) {
  return change_record([&](MachineRecord& next) {
    std::erase_if(next.open_disks, [&](const OpenDisk& open) { return open.key == key; });
    for (DiskRecord& disk : next.disks) {
      if (disk.key == key) disk.tracking.record(written);
    }
  });
}

// Of a server that died while disks were open: its record of what was written died with it, or will.
Result<> Machine::close_forgotten_disks() {
  const MachineRecord now = record();
  for (const OpenDisk& open : now.open_disks) {
    DiskServer::kill_earlier(open.server, served_file(open.key));
    const DiskRecord* disk = now.find_disk(open.key);
    TRY(forget_open_disk(open.key, disk == nullptr ? Areas{} : Areas{{0, disk->capacity_bytes}}));
  }
  return {};
}

void Machine::close_abandoned_disks() {
  std::vector<int> abandoned;
  for (const auto& [key, disk] : served_) {
    if (is_gone(disk.client) || !disk.server->lives()) abandoned.push_back(key);
  }
  for (const int key : abandoned) {
    const Result<> closed = close_open_disk(key);
    if (!closed.ok()) log::error("closing disk {} of {}: {}", key, record().name, closed.error().message());
  }
}

}  // namespace rekindle::sandbox
