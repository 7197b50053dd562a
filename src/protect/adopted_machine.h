// A machine that was born in the account, after a disaster or without one: taken into a DR plan, so that it
// is backed up there and can come home as a new VM, like one that was failed over.
#pragma once

#include <string>

#include "base/random.h"
#include "catalog/catalog.h"
#include "protect/vaults.h"
#include "site/sites.h"

namespace rekindle {

struct AdoptRequest {
  std::string plan;  // of its account
  InstanceId instance_id;
  std::string machine;     // the name it is to have; nobody else's
  std::string datacenter;  // its home
  std::string vault;
  std::string network;  // of its card at home
};

// Writes down: the machine, with a recovery point of the zeros that its disks were before anything was there;
// that it runs in the account; that the plan holds it. Nothing is changed at the site. `failed_precondition`:
// the name or the instance is taken already, or the instance has no volumes. `not_found`: no such plan or
// instance.
Result<Failover> adopt_machine(Catalog& catalog, Sites& sites, Vaults& vaults, Clock& clock, Random& random,
                               const AdoptRequest& request);

}  // namespace rekindle
