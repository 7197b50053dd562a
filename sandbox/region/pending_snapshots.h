// An account's quota of snapshots that are pending, whichever API began them.
#pragma once

#include <algorithm>

#include "sandbox/region/cloud.h"

namespace rekindle::sandbox {

// Whether it is used up. With the cloud's lock.
inline bool too_many_pending(Cloud& cloud) {
  const auto& all = cloud.state().all<Snapshot>();
  const auto pending =
      std::count_if(all.begin(), all.end(), [](const auto& row) { return row.second.state == "pending"; });
  return static_cast<std::size_t>(pending) >= cloud.options().pending_snapshots;
}

}  // namespace rekindle::sandbox
