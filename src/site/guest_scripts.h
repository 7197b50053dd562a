// Scripts that a recovery site runs inside its instances, through an agent of the site's in the guest (AWS:
// Run Command and the SSM agent). Implementations: AwsGuestScripts (aws/), MemorySite.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/ids.h"

namespace rekindle {

struct GuestScript {
  InstanceId instance;
  std::string script;                              // by /bin/sh, as root
  std::map<std::string, std::string> environment;  // beside the agent's; names of letters, digits and _
  std::chrono::seconds patience{300};              // beyond which the agent ends it
  std::string token;                               // at most 100 characters: finds it again
};

struct GuestScriptState {
  bool ended = false;
  int exit_status = -1;  // of one that ended by itself; else -1
  std::string detail;    // the site's word for it: "InProgress", "TimedOut"
  std::string output;    // standard output, then standard error, as far as the site keeps them
};

// Any number of threads. Errors common to all: those of RecoveryTarget.
class GuestScripts {
 public:
  virtual ~GuestScripts() = default;
  // Whether the account may ask for them, as far as asking tells; starts nothing.
  virtual Result<> check_access() = 0;
  // Whether the agent of the instance takes scripts by now; one that starts does so after some seconds.
  virtual Result<bool> takes_scripts(const InstanceId& instance) = 0;
  // Starts it and returns its id. Sites have no token of their own for this: what was started in vain is
  // looked for by ours. `failed_precondition`: the agent does not take scripts; `unavailable`: it is not
  // known whether it was started, find_script() tells.
  virtual Result<std::string> start_script(const GuestScript& script) = 0;
  // The id of the script that was started there with this token, once the site lists it.
  virtual Result<std::optional<std::string>> find_script(const InstanceId& instance,
                                                         const std::string& token) = 0;
  virtual Result<GuestScriptState> script_state(const InstanceId& instance, const std::string& id) = 0;
  // Asks the agent to end it; does not wait. One that has ended is fine.
  virtual Result<> cancel_script(const InstanceId& instance, const std::string& id) = 0;
};

}  // namespace rekindle
