// VMs that a machine came home without: home was another datacenter, and theirs did not answer when it was to
// switch them off. It may come back with them running, under the addresses of the machine that lives.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "site/sites.h"

namespace rekindle {

struct LeftRunning {
  JobId job_id;  // the failback that remembers it
  std::string machine;
  std::string datacenter;
  MachineId machine_id;
};

// Notes it in the failback's job, or that there is none (any more). The job is saved by its step.
void note_left_running(Job& job, const std::string& datacenter, const MachineId& id);
void note_none_left_running(Job& job);

// What is to be done, as a sentence; empty: that job left none.
std::string left_running(const Job& job);

// Those to look for now, each once in five minutes: of machines that came home and are there still.
Result<std::vector<LeftRunning>> machines_left_running(Catalog& catalog, Time now);

// Switches it off; gone is fine. It is forgotten when it was found off, or switched off, for half an hour: a
// host that comes back starts its VMs one after the other. Also when its datacenter was removed, with a
// warning. Errors: those of its datacenter; it is looked for again.
Result<> switch_off_left_running(Catalog& catalog, Sites& sites, const LeftRunning& left, Time now);

}  // namespace rekindle
