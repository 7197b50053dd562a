// The agents of a site in memory: their scripts are functions of the test.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "site/guest_scripts.h"

namespace rekindle {

class MemoryGuestScripts final : public GuestScripts {
 public:
  // What a script does: how it ends. Unless set, it ends well and says "ran\n".
  using Run = std::function<GuestScriptState(const GuestScript&)>;
  void set_run(Run run) { run_ = std::move(run); }
  // Scripts are asked for that often before they are seen to have ended.
  void set_asks_before_end(int asks) { asks_before_end_ = asks; }
  // The agent of every instance takes scripts only after it was asked that often; -1: never.
  void set_asks_before_agent(int asks) { asks_before_agent_ = asks; }
  // As a list that lags: scripts are looked for in vain that often.
  void set_asks_before_listed(int asks) { asks_before_listed_ = asks; }
  // As MemorySite's: before and after a call takes effect.
  using Fault = std::function<Result<>(std::string_view method, bool done)>;
  void set_fault(Fault fault) { fault_ = std::move(fault); }
  // What was started, in its order, and the ids of those that were cancelled.
  std::vector<GuestScript> started() const;
  std::vector<std::string> cancelled() const;

  Result<> check_access() override { return fault("check_access", false); }
  Result<bool> takes_scripts(const InstanceId& instance) override;
  Result<std::string> start_script(const GuestScript& script) override;
  Result<std::optional<std::string>> find_script(const InstanceId& instance,
                                                 const std::string& token) override;
  Result<GuestScriptState> script_state(const InstanceId& instance, const std::string& id) override;
  Result<> cancel_script(const InstanceId& instance, const std::string& id) override;

 private:
  struct Started {
    GuestScript script;
    GuestScriptState end;
    int asks_left = 0;
    bool cancelled = false;
  };
  bool agent_is_there(const InstanceId& instance);
  Result<> fault(std::string_view method, bool done) const {
    return fault_ ? fault_(method, done) : Result<>();
  }
  Result<std::size_t> number_of(const std::string& id) const;

  mutable std::mutex mutex_;
  Run run_;
  Fault fault_;
  int asks_before_end_ = 0;
  int asks_before_agent_ = 0;
  int asks_before_listed_ = 0;
  std::map<std::string, int> asked_;  // by instance
  std::vector<Started> started_;      // "script-1" is the first
};

}  // namespace rekindle
