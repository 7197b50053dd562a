#include "aws/recently_made.h"

#include <algorithm>

namespace rekindle {

void RecentlyMade::note(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.ticks();
  std::erase_if(made_at_, [&](const auto& entry) { return now - entry.second > window_; });
  made_at_[id] = now;
}

void RecentlyMade::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  made_at_.erase(id);
}

std::chrono::milliseconds RecentlyMade::grace(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto at = made_at_.find(id);
  if (at == made_at_.end()) return {};
  const auto left =
      window_ - std::chrono::duration_cast<std::chrono::milliseconds>(clock_.ticks() - at->second);
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace rekindle
