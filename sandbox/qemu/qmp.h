// A connection to one QEMU process by its machine protocol (QMP) over a Unix socket.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace rekindle::sandbox {

// One thread at a time; QEMU serves one connection of a socket at a time, so keep it short or keep it alone.
class Qmp {
 public:
  // Waits up to `patience` for the socket to appear and answer. `unavailable` when it does not.
  static Result<std::unique_ptr<Qmp>> connect(const std::filesystem::path& socket,
                                              std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~Qmp();

  // The "return" of the command; an error carries QEMU's class and description.
  Result<nlohmann::json> execute(std::string_view command,
                                 nlohmann::json arguments = nlohmann::json::object());
  // The next event (also one that came before this call) of that name for which `matches` is true.
  Result<nlohmann::json> wait_event(std::string_view name,
                                    const std::function<bool(const nlohmann::json& data)>& matches,
                                    std::chrono::milliseconds patience);

 private:
  struct Connection;
  explicit Qmp(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace rekindle::sandbox
