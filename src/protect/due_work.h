// What the schedules of backup policies and DR plans ask for now. 'rekindle serve' does it.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"

namespace rekindle {

struct DueWork {
  JobKind kind = JobKind::backup;  // or replicate, failover_cleanup
  std::string owner;               // the policy, the plan, the failover's id
  std::string machine;

  friend auto operator<=>(const DueWork&, const DueWork&) = default;
};

// Backups are due when the last one of the machine began before the schedule's last time: an outage is caught
// up with once. Replications are due when there is a newer recovery point than the DR copy's, or the copy is
// damaged, and the plan's time has come, or it is "after-backup"; not of machines that AWS runs now, which
// are backed up there. The instance of a machine that came home, or of a test that expires, is removed when
// its time is over, and again until it is gone; these removals come first. What failed is tried again after
// five minutes; nothing begins outside its schedule's window. Left out: machines with a job under way on that
// side, and backups of those that are coming home.
Result<std::vector<DueWork>> due_work(Catalog& catalog, Time now);

}  // namespace rekindle
