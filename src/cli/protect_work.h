// One backup, one replication: what 'backup run', 'replicate run' and 'serve' do for a machine.
#pragma once

#include <string>

#include "cli/commands.h"

namespace rekindle {

// Performs the job and says what came of it. The error is that of the job.
Result<> back_up(Session& session, Workplace& workplace, const BackupPolicy& policy,
                 const std::string& machine, bool full);
Result<> replicate(Session& session, Workplace& workplace, const DrPlan& plan, const std::string& machine);

}  // namespace rekindle
