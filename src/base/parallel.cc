#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/check.h"

namespace rekindle {

Result<> parallel_for(std::size_t count, std::size_t threads, std::stop_token stop,
                      const std::function<Result<>(std::size_t index)>& work) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::optional<Error> first;
  std::size_t first_index = count;

  auto run = [&] {
    while (!failed && !stop.stop_requested()) {
      const std::size_t index = next++;
      if (index >= count) return;
      Result<> result = work(index);
      if (result.ok()) continue;
      failed = true;
      const std::lock_guard lock(mutex);
      if (index < first_index) {
        first_index = index;
        first = std::move(result).error();
      }
    }
  };

  {
    std::vector<std::jthread> workers;
    const std::size_t extra = std::min(threads, count);
    for (std::size_t i = 1; i < extra; ++i) workers.emplace_back(run);
    run();
  }
  if (first) return *std::move(first);
  if (next < count && stop.stop_requested()) return error(ErrorCode::cancelled, "stopped");
  return {};
}

std::vector<Result<>> try_all(std::size_t count, std::size_t threads,
                              const std::function<Result<>(std::size_t index)>& work) {
  std::vector<Result<>> results(count);
  const Result<> all = parallel_for(count, threads, {}, [&](std::size_t index) -> Result<> {
    results[index] = work(index);
    return {};
  });
  CHECK(all.ok());
  return results;
}

}  // namespace rekindle
