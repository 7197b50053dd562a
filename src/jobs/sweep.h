// Removing what was made and is used by nobody, by the ledger.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "site/sites.h"

namespace rekindle {

// Removes every resource in the ledger that this job made and that nothing uses (instances first, then
// volumes, templates, images and machine snapshots), and marks it released. One that was only intended is
// looked for by its token. What is not there leaves the ledger only when it cannot appear any more
// (jobs/settling.h); until then that is no error. Goes on after an error with the other resources and returns
// the first error. Idempotent.
Result<> sweep_job(Catalog& catalog, Sites& sites, Clock& clock, const JobId& job);

// The same for all jobs that are over: what earlier clean-ups could not reach. Sites that cannot be reached
// are skipped with a warning. Returns how many resources were removed.
Result<int> sweep_finished_jobs(Catalog& catalog, Sites& sites, Clock& clock, const std::string& site);

// What must go first has the lower number: a template keeps its images, an instance its volumes.
int removal_order(ResourceKind kind);

// `unavailable` when it is still there after ten minutes.
Result<> terminate_and_wait(RecoveryTarget& site, Clock& clock, const InstanceId& id);

}  // namespace rekindle
