#include "cli/work_slots.h"

#include <algorithm>

namespace rekindle {

bool WorkSlots::take(std::string_view side, const std::string& machine) {
  const auto used =
      std::count_if(taken_.begin(), taken_.end(), [&](const auto& slot) { return slot.first == side; });
  if (static_cast<std::size_t>(used) >= each_) return false;
  return taken_.emplace(side, machine).second;
}

void WorkSlots::give_back(std::string_view side, const std::string& machine) {
  taken_.erase({std::string(side), machine});
}

}  // namespace rekindle
