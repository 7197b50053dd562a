// How much the daemon does at a time: so many machines of each side (side_of()), and one thing at a time of a
// machine and side. Sides do not share: backups that are always due must not keep DR copies from being made.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace rekindle {

// One thread at a time.
class WorkSlots {
 public:
  // `each`: machines at a time, of each side.
  explicit WorkSlots(std::size_t each) : each_(each) {}

  // Whether the machine's side is free and a slot of that side was; then it is taken.
  bool take(std::string_view side, const std::string& machine);
  void give_back(std::string_view side, const std::string& machine);

 private:
  const std::size_t each_;
  std::set<std::pair<std::string, std::string>> taken_;
};

}  // namespace rekindle
