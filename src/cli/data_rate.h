// Bytes per second as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace rekindle {

// "50MiB/s", "800 kB/s", "1.5GB": KB, MB, GB by 1000; KiB, MiB, GiB by 1024; any case. "" and "0": 0, no
// limit. `invalid_argument`.
Result<std::uint64_t> parse_data_rate(std::string_view text);

}  // namespace rekindle
