// What failed a moment ago, and waits: a datacenter that is down is not asked every second, and the others
// have their turn.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"

namespace rekindle {

// By task, "replicate dr web", and not by machine: a replication that fails again and again must not keep the
// end of a test of the same machine waiting. One thread at a time.
class RecentFailures {
 public:
  void add(const std::string& task, Time now);
  void remove(const std::string& task) { failed_.erase(task); }
  // Whether it failed less than five minutes ago.
  bool has(const std::string& task, Time now) const;

 private:
  std::map<std::string, Time> failed_;
};

}  // namespace rekindle
