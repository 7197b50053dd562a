#include "sandbox/datacenter/machine.h"

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "sandbox/datacenter/datastore_files.h"
#include "sandbox/datacenter/disk_images.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

// As ESXi: who removed the file gets a new one.
Result<> make_missing_variables(const MachineRecord& record, const MachinePlaces& places) {
  std::error_code absent;
  if (record.firmware != "uefi" || std::filesystem::exists(places.nvram(record), absent)) return {};
  return copy_sparse(ovmf_variables, places.nvram(record));
}

}  // namespace

Machine::Machine(MachineRecord record, MachinePlaces places, Changed changed)
    : places_(std::move(places)), changed_(std::move(changed)), record_(std::move(record)) {}

Result<std::unique_ptr<Machine>> Machine::create(MachineRecord record, MachinePlaces places,
                                                 Changed changed) {
  TRY(make_directories(places.state));
  TRY(write_datastore_files(record, places));
  std::unique_ptr<Machine> machine(new Machine(std::move(record), std::move(places), std::move(changed)));
  TRY(machine->change_record([](MachineRecord&) {}));
  return machine;
}

Result<std::unique_ptr<Machine>> Machine::load(MachinePlaces places, Changed changed) {
  const std::string text = TRY(read_text_file(places.record()));
  const json parsed = json::parse(text, nullptr, false);
  MachineRecord record = TRY(MachineRecord::from_json(parsed), "{}", places.record().string());
  std::unique_ptr<Machine> machine(new Machine(std::move(record), std::move(places), std::move(changed)));
  TRY(machine->close_forgotten_disks());
  TRY(machine->reattach());
  return machine;
}

MachineRecord Machine::record() const {
  const std::lock_guard lock(record_mutex_);
  return record_;
}

Result<> Machine::change_record(const std::function<void(MachineRecord& next)>& change) {
  {
    const std::lock_guard lock(record_mutex_);
    MachineRecord next = record_;
    change(next);
    TRY(write_file_atomically(places_.record(), next.to_json().dump(1)), "keeping the record of {}",
        next.name);
    record_ = std::move(next);
  }
  if (changed_) changed_();
  return {};
}

Result<> Machine::power_on() {
  const std::lock_guard lock(operation_);
  if (qemu_) return error(ErrorCode::failed_precondition, "{} is powered on already", record().name);
  TRY(check_unlocked());
  const bool resume = record().power == PowerState::suspended;
  TRY(start_qemu());
  const Result<> running = let_run();
  if (!running.ok()) {
    qemu_->kill();
    mourn();
    return running.error();
  }
  return resume ? remove_file(places_.memory()) : Result<>();
}

// From a standstill: nothing is written before it is recorded.
Result<> Machine::let_run() {
  TRY(start_recordings());
  return record().run_cpus ? qemu_->run() : Result<>();
}

// The record names the process before the guest runs: whatever dies after, the next start finds it.
Result<> Machine::start_qemu() {
  MachineRecord wanted = record();
  const bool resume = wanted.power == PowerState::suspended;
  TRY(make_missing_variables(wanted, places_));
  auto started = QemuMachine::start(wanted, places_, resume);
  if (!started.ok() && wanted.host_port != 0 &&
      started.error().message().find("forwarding") != std::string::npos) {
    wanted.host_port = 0;  // another program took the port meanwhile
    started = QemuMachine::start(wanted, places_, resume);
  }
  if (!started.ok()) return started.error();
  auto qemu = *std::move(started);
  Result<> kept = keep_process(*qemu);
  if (!kept.ok()) {
    qemu->kill();
    return kept;
  }
  qemu_ = std::move(qemu);
  return {};
}

Result<> Machine::keep_process(QemuMachine& qemu) {
  int port = 0;
  if (record().is_reachable()) port = TRY(qemu.host_port());
  return change_record([&](MachineRecord& next) {
    next.power = PowerState::on;
    next.pid = qemu.pid();
    next.host_port = port;
    next.boot_time = SystemClock().now();
  });
}

// The machine stands still or is about to run: a stun, at which tracking begins.
Result<> Machine::start_recordings() {
  if (!record().change_tracking_enabled) return {};
  TRY(change_record([&](MachineRecord& next) {
    for (DiskRecord& disk : next.disks) {
      if (!disk.tracking.active()) disk.tracking.begin(random_);
    }
  }));
  if (!qemu_) return {};
  const MachineRecord now = record();
  const int top = now.deltas.empty() ? 0 : now.deltas.back();
  for (const DiskRecord& disk : now.disks) {
    const bool recording = TRY(qemu_->is_recording(disk.unit(), top, disk.tracking.epoch()));
    if (!recording) TRY(qemu_->start_recording(disk.unit(), top, disk.tracking.epoch()));
  }
  return {};
}

// QEMU forgets its bitmaps when it ends.
Result<> Machine::keep_recordings() {
  const MachineRecord now = record();
  const int top = now.deltas.empty() ? 0 : now.deltas.back();
  std::vector<Areas> written;
  for (const DiskRecord& disk : now.disks) {
    Areas areas;
    if (disk.tracking.active()) areas = TRY(qemu_->take_recording(disk.unit(), top, disk.tracking.epoch()));
    written.push_back(std::move(areas));
  }
  return change_record([&](MachineRecord& next) {
    for (std::size_t i = 0; i < next.disks.size(); ++i) next.disks[i].tracking.record(written[i]);
  });
}

Result<> Machine::stop_qemu(PowerState next_state) {
  TRY(qemu_->pause());
  TRY(keep_recordings());
  if (next_state == PowerState::suspended) {
    const Result<> saved = qemu_->save_memory();
    if (!saved.ok()) {
      TRY(let_run(), "going on because {}", saved.error().message());
      return saved.error();
    }
  }
  TRY(qemu_->quit());
  qemu_.reset();
  return change_record([&](MachineRecord& next) {
    next.power = next_state;
    next.pid = 0;
  });
}

Result<> Machine::power_off() {
  const std::lock_guard lock(operation_);
  if (!qemu_) {
    if (record().power == PowerState::off) {
      return error(ErrorCode::failed_precondition, "{} is powered off already", record().name);
    }
    TRY(remove_file(places_.memory()));
    return change_record([](MachineRecord& next) { next.power = PowerState::off; });
  }
  return stop_qemu(PowerState::off);
}

Result<> Machine::suspend() {
  const std::lock_guard lock(operation_);
  if (!qemu_) return error(ErrorCode::failed_precondition, "{} is not powered on", record().name);
  return stop_qemu(PowerState::suspended);
}

Result<> Machine::press_power_button() {
  const std::lock_guard lock(operation_);
  if (!qemu_) return error(ErrorCode::failed_precondition, "{} is not powered on", record().name);
  return qemu_->press_power_button();
}

void Machine::kill() {
  const MachineRecord now = record();
  for (const OpenDisk& open : now.open_disks) DiskServer::kill_earlier(open.server, served_file(open.key));
  if (process_lives(now.pid, places_.monitor().string())) kill_process(now.pid);
}

Result<std::string> Machine::monitor(const std::string& command_line) {
  const std::lock_guard lock(operation_);
  if (!qemu_) return error(ErrorCode::failed_precondition, "{} is not powered on", record().name);
  return qemu_->monitor(command_line);
}

void Machine::look_after() {
  const std::unique_lock lock(operation_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  close_abandoned_disks();
  if (!qemu_) return;
  if (!qemu_->lives()) {
    mourn();
    return;
  }
  const auto status = qemu_->status();
  if (!status.ok() || *status != "shutdown") return;
  const Result<> stopped = stop_qemu(PowerState::off);
  if (!stopped.ok()) log::warn("{} shut down: {}", record().name, stopped.error().message());
}

// What was written since the last snapshot is not known any more; ESXi, too, starts tracking anew after a
// crash.
void Machine::mourn() {
  qemu_.reset();
  const Result<> kept = change_record([&](MachineRecord& next) {
    next.power = PowerState::off;
    next.pid = 0;
    for (DiskRecord& disk : next.disks) {
      if (disk.tracking.active()) disk.tracking.begin(random_);
    }
  });
  if (!kept.ok()) log::error("{}", kept.error().message());
}

Result<> Machine::reattach() {
  if (record().power != PowerState::on) return {};
  auto attached = QemuMachine::attach(record(), places_);
  if (!attached.ok()) {
    kill();
    mourn();
    return {};
  }
  qemu_ = *std::move(attached);
  TRY(qemu_->cancel_jobs());
  TRY(reconcile_layers());
  const MachineRecord now = record();
  const int top = now.deltas.empty() ? 0 : now.deltas.back();
  for (std::size_t i = 0; i < now.disks.size(); ++i) {
    const DiskRecord& disk = now.disks[i];
    if (!disk.tracking.active()) continue;
    const bool recording = TRY(qemu_->is_recording(disk.unit(), top, disk.tracking.epoch()));
    if (!recording) TRY(change_record([&](MachineRecord& next) { next.disks[i].tracking.begin(random_); }));
  }
  TRY(start_recordings());
  // A server that died before the guest's first instruction, in a stun, or while it saved the memory.
  const std::string status = TRY(qemu_->status());
  const bool stands = status == "prelaunch" || status == "paused" || status == "postmigrate";
  return stands && now.run_cpus ? qemu_->go_on() : Result<>();
}

Result<> Machine::destroy() {
  const std::lock_guard lock(operation_);
  if (qemu_) qemu_->kill();
  qemu_.reset();
  for (const auto& [key, disk] : served_) disk.server->kill();
  served_.clear();
  std::error_code failure;
  std::filesystem::remove_all(places_.home(record()), failure);
  if (!failure) std::filesystem::remove_all(places_.state, failure);
  if (failure) return errno_error(failure.value(), fmt::format("removing the files of {}", record().name));
  return {};
}

}  // namespace rekindle::sandbox
