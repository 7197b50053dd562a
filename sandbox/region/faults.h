// Making the region fail on purpose, and counting what it was asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/region/outcome.h"

namespace rekindle::sandbox {

// What happens to the next calls of one action.
struct FaultRule {
  enum class Kind {
    error,          // refused with `code`, nothing is done
    lose_request,   // nothing is done, the connection closes without an answer
    lose_response,  // all is done, the connection closes without an answer
    latency,        // answered `delay_ms` later
    instance_dies,  // RunInstances: the instances end while pending, with `code` as their StateReason
    quota,          // throttled beyond `per_second` calls, and a tenth of a second's at once
  };
  std::string action = "*";  // EC2, EBS or STS action; "*": any
  Kind kind = Kind::error;
  std::string code = {};
  std::string message = {};
  int status = 0;          // 0: the one AWS uses with this code
  std::int64_t skip = 0;   // so many calls go well first
  std::int64_t times = 1;  // then so many are hit; -1: all
  std::int64_t delay_ms = 0;
  double per_second = 0;
  // Of a quota: what is left at an instant.
  double tokens = 0;
  std::chrono::steady_clock::time_point filled = {};
};

// {"action": "CreateVolume", "kind": "error", "code": "RequestLimitExceeded", "times": 2}
Result<FaultRule> fault_rule_from_json(const nlohmann::json& json);

// Any thread.
class Faults {
 public:
  void add(FaultRule rule);
  void clear();
  // A resource is invisible so long after it was made (eventual consistency).
  void set_not_found_window(std::chrono::milliseconds window);
  std::chrono::milliseconds not_found_window() const;

  // What shall happen to this call of `action`. Counts the call against the rules.
  struct Verdict {
    std::optional<Refusal> refusal;
    bool lose_request = false, lose_response = false;
    std::int64_t delay_ms = 0;
    std::string instances_die_of;
  };
  // A dry run makes no instance that could die.
  Verdict judge(const std::string& action, bool dry_run = false);

 private:
  mutable std::mutex mutex_;
  std::vector<FaultRule> rules_;
  std::chrono::milliseconds not_found_window_{0};
};

struct CallCount {
  std::uint64_t calls = 0, refused = 0, request_bytes = 0, response_bytes = 0;
};

// Any thread.
class AccessLog {
 public:
  void count(const std::string& action, int status, std::uint64_t request_bytes,
             std::uint64_t response_bytes);
  std::map<std::string, CallCount> counts() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, CallCount> counts_;
};

}  // namespace rekindle::sandbox
