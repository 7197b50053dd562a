// AWS makes so many snapshots at a time, 100 of an account (L-94D7AB7D, fixed) and five of a volume, and
// refuses what is more until others are complete: of a plan of many machines, the others wait.
#pragma once

#include <chrono>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"

namespace rekindle {

inline bool too_many_pending(const Error& error) {
  for (const std::string_view code : {"ConcurrentLimitExceeded", "pending snapshots",
                                      "PendingSnapshotLimitExceeded", "ConcurrentSnapshotLimitExceeded"}) {
    if (error.message().find(code) != std::string::npos) return true;
  }
  return false;
}

// What `make` returns, called again for ten minutes while there are too many; `cancelled` on stop.
template <typename Make>
auto when_few_are_pending(Clock& clock, const std::stop_token& stop, Make make) -> decltype(make()) {
  constexpr std::chrono::milliseconds poll{5000};
  const auto deadline = clock.ticks() + std::chrono::minutes(10);
  for (;;) {
    auto made = make();
    if (made.ok() || !too_many_pending(made.error()) || clock.ticks() >= deadline) return made;
    log::info("{}; waiting until others are complete", made.error().message());
    if (!clock.sleep(poll, stop)) return error(ErrorCode::cancelled, "cancelled by the user");
  }
}

}  // namespace rekindle
