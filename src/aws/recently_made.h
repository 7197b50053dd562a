// EC2 is eventually consistent: an id that it just returned may be "not found" for some seconds, seldom a
// minute. Only of what was made a moment ago is that not believed; for everything else it is the truth, at
// once. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace rekindle {

// Any number of threads.
class RecentlyMade {
 public:
  // `clock` outlives this. `window`: for how long after it was made a thing may be denied.
  RecentlyMade(Clock& clock, std::chrono::milliseconds window) : clock_(clock), window_(window) {}

  void note(const std::string& id);
  // It was removed: from now on "not found" is the truth.
  void forget(const std::string& id);
  // How much longer "not found" need not be believed; 0 for what was not made here or is old enough.
  std::chrono::milliseconds grace(const std::string& id);

 private:
  Clock& clock_;
  const std::chrono::milliseconds window_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::nanoseconds> made_at_;
};

}  // namespace rekindle
