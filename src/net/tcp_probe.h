// Whether somebody accepts connections.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace rekindle {

// Connects and closes. `unavailable`: refused, no answer within `patience`, no such host.
Result<> probe_tcp(const std::string& host, std::uint16_t port, std::chrono::milliseconds patience);

}  // namespace rekindle
