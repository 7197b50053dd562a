// What becomes of the DR copy that a new one replaces: kept, as the plan says, or retired and removed.
#pragma once

#include "jobs/job_runner.h"
#include "model/dr_plan.h"
#include "site/sites.h"

namespace rekindle {

// In the transaction that makes the new copy the current one. `old_copy` as the job found it: without the
// images that are lost. Of the kept copies of the plan and machine that are not damaged, the newest
// job.data["keep_copies"] - 1 by their recovery points stay, and those that an unfinished failover starts
// from, until the next replication after it; the others are retired: the ledger knows them as used by nobody,
// and job.data["retired"] lists them.
Result<> retire_copies(StepContext& context, const DrCopy& old_copy);

// Removes what the above retired. What cannot be removed yet is for the next sweep, and no failure.
Result<> remove_retired(StepContext& context, Sites& sites);

}  // namespace rekindle
