// The command line. Every command is `rekindle <noun> <verb>`; all take --json.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/workplace.h"

namespace CLI {
class App;
}

namespace rekindle {

// What commands of other modules (the sandbox) need: their callback sets `chosen`.
struct ExtraSession {
  std::function<Result<>()>& chosen;
  const bool& json;
  std::stop_token interrupted;  // by Ctrl-C or SIGTERM
};
using ExtraCommands = std::function<void(CLI::App& root, ExtraSession session)>;
// Makes the workplace of a home directory.
using OpenWorkplace = std::function<Result<std::unique_ptr<Workplace>>(const std::string& home)>;

// Parses, runs, prints. Returns the exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage.
int run_command_line(int argc, const char* const* argv, const OpenWorkplace& open,
                     const ExtraCommands& extra);

}  // namespace rekindle
