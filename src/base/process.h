// Other programs: run one to its end, or start one and let it live.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

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
};

// Starts argv[0] as a process that outlives this one. It is not our child (double fork): watch it by pid.
Result<pid_t> start_daemon(const std::vector<std::string>& argv, const DaemonOptions& options);

// Whether a process with this pid lives and was started with `name_part` in its command line (pids are
// reused).
bool process_lives(pid_t pid, std::string_view name_part);

// SIGKILL; returns when the process is gone. Absent is fine.
void kill_process(pid_t pid);

}  // namespace rekindle
