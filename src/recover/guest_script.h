// A script of a recovery workflow, run inside an instance by the site's agent there.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "recover/script.h"
#include "site/guest_scripts.h"

namespace rekindle {

// Runs it to its end: waits until the agent takes scripts, for `script.patience` at most, starts it, and waits
// as long again for its end. Called once more with the same token, after a crash, it goes on with the script
// that was started. Beyond its time, or on stop, the script is cancelled: `failed_precondition`, `cancelled`;
// the same where the site ended it. An answer that was lost and that no list shows starts it a second time:
// scripts must bear that.
Result<ScriptOutcome> run_guest_script(GuestScripts& scripts, const GuestScript& script, Clock& clock,
                                       std::stop_token stop = {});

}  // namespace rekindle
