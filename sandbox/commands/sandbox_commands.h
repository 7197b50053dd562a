// `rekindle sandbox`: a datacenter and an AWS region on this computer, for trying, drilling and testing.
#pragma once

#include <functional>
#include <stop_token>

#include "base/result.h"

namespace CLI {
class App;
}

namespace rekindle::sandbox {

struct CommandSession {
  std::function<Result<>()>& chosen;  // set by the command that was named
  const bool& json;
  std::stop_token interrupted;  // by Ctrl-C or SIGTERM
};

void add_sandbox_commands(CLI::App& root, CommandSession session);

}  // namespace rekindle::sandbox
