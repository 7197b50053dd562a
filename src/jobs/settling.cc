#include "jobs/settling.h"

namespace rekindle {

bool may_still_appear(const LedgerEntry& entry, Clock& clock) {
  constexpr std::chrono::minutes lost_call_takes_effect{10};
  constexpr std::chrono::minutes made_thing_is_listed{2};
  if (entry.state == ResourceState::released) return false;
  const auto within = entry.object_id.empty() ? lost_call_takes_effect : made_thing_is_listed;
  return clock.now() - entry.updated < within;
}

}  // namespace rekindle
