// How long a test failover may run before 'rekindle serve' ends it, as users say it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

// "90m", "8h", "3d", at most a year; "never": 0. `invalid_argument` says how to write one.
Result<std::chrono::minutes> parse_test_expiry(std::string_view text);
std::string test_expiry_text(std::chrono::minutes after);  // parses to the same

}  // namespace rekindle
