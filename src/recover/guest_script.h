// A script of a recovery workflow, run inside an instance by the site's agent there.
#pragma once

#include <functional>
#include <stop_token>

#include "base/clock.h"
#include "site/guest_scripts.h"

namespace rekindle {

struct GuestRunOptions {
  bool may_exist = false;  // an earlier run may have started it: it is looked for first
  std::function<Result<>()>
      starting;  // called before it is started, to note that it may be there from now on
  std::stop_token stop{};
};

// Runs it to its end, and tells how it ended: by itself, or (exit_status -1) ended by the site. Waits until
// the agent takes scripts, for `script.patience` at most, starts it, and waits as long again for its end.
// Beyond its time, on stop and on other errors it is cancelled: `failed_precondition`, `cancelled`. Where an
// answer is lost it is looked for by its token for some seconds, and only then started again, twice at most:
// a script that no list shows by then would run beside its second.
Result<GuestScriptState> run_guest_script(GuestScripts& scripts, const GuestScript& script, Clock& clock,
                                          const GuestRunOptions& options = {});

// Asks the agent to end the script of this token, if there is one that has not ended.
Result<> end_guest_script(GuestScripts& scripts, const InstanceId& instance, const std::string& token);

}  // namespace rekindle
