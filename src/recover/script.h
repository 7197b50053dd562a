// A script of a recovery workflow, run on the AWS proxy.
#pragma once

#include <chrono>
#include <map>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace rekindle {

struct ScriptOutcome {
  int exit_status = 0;
  std::string output;  // standard output and error, the last 64 KiB
  std::string last_line() const;
};

// Runs `script` by /bin/sh in a process group of its own, with `environment` beside the program's, until the
// shell has ended; what it left in the background goes on. Beyond `patience`, or on stop, the whole group is
// killed: `failed_precondition`, `cancelled`.
Result<ScriptOutcome> run_script(const std::string& script,
                                 const std::map<std::string, std::string>& environment,
                                 std::chrono::seconds patience, std::stop_token stop = {});

}  // namespace rekindle
