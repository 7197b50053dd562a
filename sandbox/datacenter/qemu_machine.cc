#include "sandbox/datacenter/qemu_machine.h"

#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "sandbox/qemu/accelerator.h"

namespace rekindle::sandbox {

using nlohmann::json;
using std::chrono::milliseconds;

namespace {

constexpr auto start_patience = std::chrono::seconds(30);
constexpr auto memory_patience = std::chrono::minutes(10);

// For the shell that QEMU starts to read or write a memory file.
std::string shell_quoted(const std::filesystem::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::filesystem::path messages_of(const MachinePlaces& places) {
  return places.state / "qemu.log";
}

// What QEMU said last before it ended.
std::string last_words(const MachinePlaces& places) {
  const auto text = read_text_file(messages_of(places));
  if (!text.ok() || text->empty()) return "it said nothing";
  const auto end = text->find_last_not_of('\n');
  const auto start = text->rfind('\n', end);
  return text->substr(start == std::string::npos ? 0 : start + 1, end - start);
}

Result<std::unique_ptr<Qmp>> connect_to_new(pid_t pid, const MachinePlaces& places) {
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  while (true) {
    auto qmp = Qmp::connect(places.monitor(), milliseconds(100));
    if (qmp.ok() || !qmp.error().transient()) return qmp;
    if (!process_lives(pid, places.monitor().string())) {
      return error(ErrorCode::failed_precondition, "QEMU ended at once: {}", last_words(places));
    }
    if (std::chrono::steady_clock::now() > deadline) return qmp;
  }
}

}  // namespace

QemuMachine::QemuMachine(pid_t pid, MachinePlaces places, std::unique_ptr<Qmp> qmp)
    : pid_(pid), monitor_path_(places.monitor().string()), places_(std::move(places)), qmp_(std::move(qmp)) {}

Result<std::unique_ptr<QemuMachine>> QemuMachine::start(const MachineRecord& record,
                                                        const MachinePlaces& places, bool resume) {
  std::vector<std::string> arguments = qemu_arguments(record, places);
  for (const std::string& word : accelerator_arguments()) arguments.push_back(word);
  if (resume) {
    arguments.insert(arguments.end(), {"-incoming", "exec:exec cat " + shell_quoted(places.memory())});
  }
  TRY(remove_file(places.monitor()));
  const pid_t pid = TRY(start_daemon(arguments, {messages_of(places)}));
  auto qmp = connect_to_new(pid, places);
  if (!qmp.ok()) {
    kill_process(pid);
    return std::move(qmp).error().context("starting {}", record.name);
  }
  std::unique_ptr<QemuMachine> machine(new QemuMachine(pid, places, *std::move(qmp)));
  if (resume) {
    const Result<> loaded = machine->await_memory();
    if (!loaded.ok()) {
      kill_process(pid);
      return Error(loaded.error()).context("resuming {}", record.name);
    }
  }
  return machine;
}

Result<std::unique_ptr<QemuMachine>> QemuMachine::attach(const MachineRecord& record,
                                                         const MachinePlaces& places) {
  if (!process_lives(record.pid, places.monitor().string())) {
    return error(ErrorCode::unavailable, "the QEMU process of {} is gone", record.name);
  }
  auto qmp = TRY(Qmp::connect(places.monitor()), "reattaching {}", record.name);
  return std::unique_ptr<QemuMachine>(new QemuMachine(record.pid, places, std::move(qmp)));
}

Result<> QemuMachine::command(std::string_view name, json arguments) {
  TRY(qmp_->execute(name, std::move(arguments)));
  return {};
}

bool QemuMachine::lives() const {
  return process_lives(pid_, monitor_path_);
}

Result<std::string> QemuMachine::status() {
  const json answer = TRY(qmp_->execute("query-status"));
  return answer.value("status", "");
}

Result<std::string> QemuMachine::monitor(const std::string& command_line) {
  const json answer = TRY(qmp_->execute("human-monitor-command", {{"command-line", command_line}}));
  return answer.get<std::string>();
}

// The only place where QEMU says which port it got is a table made for people:
//   TCP[HOST_FORWARD]   9       127.0.0.1 44615       10.0.2.15    80     0     0
Result<int> QemuMachine::host_port() {
  const std::string table = TRY(monitor("info usernet"));
  std::istringstream in(table);
  std::string protocol;
  int descriptor = 0;
  std::string address;
  int port = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream columns(line);
    if (columns >> protocol >> descriptor >> address >> port && protocol == "TCP[HOST_FORWARD]") return port;
  }
  return error(ErrorCode::internal, "QEMU forwards no port to the guest");
}

Result<> QemuMachine::quit() {
  TRY(command("quit"));
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  while (lives()) {
    if (std::chrono::steady_clock::now() > deadline) kill();
    std::this_thread::sleep_for(milliseconds(5));
  }
  return {};
}

void QemuMachine::kill() {
  if (lives()) kill_process(pid_);
}

Result<> QemuMachine::save_memory() {
  TRY(command("migrate", {{"uri", "exec:exec cat > " + shell_quoted(places_.memory())}}));
  const auto deadline = std::chrono::steady_clock::now() + memory_patience;
  while (std::chrono::steady_clock::now() < deadline) {
    const json answer = TRY(qmp_->execute("query-migrate"));
    const std::string status = answer.value("status", "");
    if (status == "completed") return {};
    if (status == "failed" || status == "cancelled") {
      return error(ErrorCode::internal, "saving the memory failed: {}", answer.value("error-desc", status));
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  return error(ErrorCode::unavailable, "saving the memory does not end");
}

Result<> QemuMachine::await_memory() {
  const auto deadline = std::chrono::steady_clock::now() + memory_patience;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto now = status();
    if (!now.ok())
      return error(ErrorCode::corrupt, "the saved memory does not load: {}", last_words(places_));
    if (*now != "inmigrate") return {};
    std::this_thread::sleep_for(milliseconds(10));
  }
  return error(ErrorCode::unavailable, "loading the memory does not end");
}

}  // namespace rekindle::sandbox
