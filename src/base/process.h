// Other programs: run one to its end, start one and let it live, or start one that must not outlive us.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace rekindle {

struct ProcessOutput {
  int exit_status = 0;  // 128 + signal when killed by one
  std::string out;
  std::string err;
};

// Runs argv[0] (looked up in PATH) with standard input empty; waits; any exit status is a success of this
// call.
Result<ProcessOutput> run_process(const std::vector<std::string>& argv);

// The same, and an exit status other than 0 is an error that quotes the last line of standard error.
Result<std::string> run_tool(const std::vector<std::string>& argv);

struct DaemonOptions {
  std::filesystem::path output;  // standard output and error are appended here
  // Session of its own, so that it outlives us and a signal to our group.
  std::vector<int> inherited =
      {};  // descriptors that it has under the same numbers; from 3 on, it has no others
};

// Starts argv[0] as a process that outlives this one. It is not our child (double fork): watch it by pid.
Result<pid_t> start_daemon(const std::vector<std::string>& argv, const DaemonOptions& options);

// Whether a process with this pid lives and was started with `name_part` in its command line (pids are
// reused).
bool process_lives(pid_t pid, std::string_view name_part);

// SIGKILL; returns when the process is gone. Absent is fine.
void kill_process(pid_t pid);

// A program that works for us: it ends with this object, and when this process dies, however that happens
// (then only the program itself gets SIGTERM, not what it started: a wrapper should exec). Any thread.
class ChildProcess {
 public:
  // argv[0] is looked up in PATH; standard input is empty; a process group of its own, so that a Ctrl-C meant
  // for us does not reach it.
  static Result<std::unique_ptr<ChildProcess>> start(std::vector<std::string> argv);
  ~ChildProcess();  // end()
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // 128 + signal when killed by one; none while it runs, also after `patience`.
  std::optional<int> exit_status(std::chrono::milliseconds patience = {}) const;
  // The last line it wrote to standard output or error; "" if there is none.
  std::string last_words() const;
  // SIGTERM to its group, and SIGKILL to what is left of it after `patience`. Returns its exit status.
  int end(std::chrono::milliseconds patience = std::chrono::seconds(10));

 private:
  ChildProcess() = default;
  void fork_and_watch(const std::vector<std::string>& argv, std::promise<Result<pid_t>> started);
  void await_exit(FileDescriptor output);
  void take_output(FileDescriptor& output);
  void reap();

  pid_t pid_ = 0;  // set before start() returns
  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  std::optional<int> status_;  // once it is reaped; until then its pid is no other's
  std::string output_;         // the end of it
  std::jthread watcher_;       // last: it uses the others
};

}  // namespace rekindle
