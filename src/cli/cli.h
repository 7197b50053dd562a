// The command line. Every command is `rekindle <noun> <verb>`; all take --json.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/workplace.h"

namespace CLI {
class App;
}

namespace rekindle {

// Adds commands of other modules (the sandbox) to the root command. Their callback sets `chosen`.
using ExtraCommands =
    std::function<void(CLI::App& root, std::function<Result<>()>& chosen, const bool& json)>;
// Makes the workplace of a home directory.
using OpenWorkplace = std::function<Result<std::unique_ptr<Workplace>>(const std::string& home)>;

// Parses, runs, prints. Returns the exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage.
int run_command_line(int argc, const char* const* argv, const OpenWorkplace& open,
                     const ExtraCommands& extra);

}  // namespace rekindle
