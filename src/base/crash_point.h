// Places where a test may kill this process as if by kill -9 or a power cut: REKINDLE_KILL_AT=<name> in the
// environment does it the first time that the place is reached, <name>#3 the third time, whichever threads
// reach it. Costs one comparison when not set.
#pragma once

#include <string_view>

namespace rekindle {

void crash_point(std::string_view name);

}  // namespace rekindle
