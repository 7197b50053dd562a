// A resource that was, or may have been, made at a site: written before the call that makes it.
#pragma once

#include <string>

#include "base/clock.h"
#include "model/ids.h"

namespace rekindle {

// machine_snapshot: of a machine of the datacenter. instance_snapshot: the images of all volumes of an
// instance, which all carry the token. restored_machine: made in the datacenter.
enum class ResourceKind {
  machine_snapshot,
  image,
  machine_template,
  instance,
  volume,
  instance_snapshot,
  restored_machine
};

// intended: the call that makes it may or may not have happened
// exists:   it was made; `object_id` names it
// released: it is gone, or was never made
enum class ResourceState { intended, exists, released };

struct LedgerEntry {
  std::string token;  // key: unique, derived from job and step; also the client token or the name at the site
  ResourceKind kind = ResourceKind::image;
  std::string site;       // name of the datacenter or the account
  std::string container;  // machine id of a machine snapshot, instance id of an instance's; else empty
  std::string object_id;
  ResourceState state = ResourceState::intended;
  JobId job_id;  // the job that made it
  std::string
      in_use_by;  // what keeps it after that job: "dr_copy:<id>", "failover:<id>"; empty: only the job
  Time updated{};
};

}  // namespace rekindle
