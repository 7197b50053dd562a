// Run the same work on several threads; the first error stops the others.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>
#include <vector>

#include "base/result.h"

namespace rekindle {

// Calls work(index) for every index in [0, count), on up to `threads` threads, in rising order of start.
// Returns the error of the lowest index that failed (no new index is started after a failure), or
// `cancelled` when stop was requested before all were done.
Result<> parallel_for(std::size_t count, std::size_t threads, std::stop_token stop,
                      const std::function<Result<>(std::size_t index)>& work);

// The same where one's failure is no reason not to try the others: all are done, and each one's result is
// returned.
std::vector<Result<>> try_all(std::size_t count, std::size_t threads,
                              const std::function<Result<>(std::size_t index)>& work);

}  // namespace rekindle
