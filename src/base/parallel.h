// Run the same work on several threads; the first error stops the others.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

#include "base/result.h"

namespace rekindle {

// Calls work(index) for every index in [0, count), on up to `threads` threads, in rising order of start.
// Returns the error of the lowest index that failed (no new index is started after a failure), or
// `cancelled` when stop was requested before all were done.
Result<> parallel_for(std::size_t count, std::size_t threads, std::stop_token stop,
                      const std::function<Result<>(std::size_t index)>& work);

}  // namespace rekindle
