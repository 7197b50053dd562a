// Failover: one machine of a DR plan, from its DR copy to an instance that answers.
//
//   check         the settings are accepted there, nothing else runs the machine, its copy holds its zeros
//   where
//                 it starts encrypted
//   convert       nothing where the copy was converted ahead; else the boot disk's drivers and settings for
//   the
//                 new hardware, as a child image of the DR copy: only the few blocks that conversion changes
//   register      a template of the converted boot disk and the copy's data disks; nothing with workflow ami
//   launch        the instance: its volumes are made from the images. Where the site has no room for it, the
//                 next of the plan's instance types and subnets
//   wait_running  until the site says that it runs; one that dies for want of room is replaced by the next
//   adjust        its Elastic IP and what else a launch cannot be told
//   wait_service  until its service answers. A production that runs and does not answer is recorded, and
//                 stays, for clients may write to it already; the failover fails
//   record        the failover into the catalog; a production failover moves the machine to the account
//   tidy          template and converted image go; instance and volumes stay
//
// Any other failed failover leaves nothing but the DR copy, untouched.
#pragma once

#include <functional>
#include <string>

#include "jobs/job_runner.h"
#include "model/dr_plan.h"
#include "net/http.h"
#include "site/sites.h"

namespace rekindle {

struct FailoverRequest {
  std::string plan;
  std::string machine;
  FailoverKind kind = FailoverKind::production;
  bool datacenter_is_down = false;  // the user says so: it is not asked
  std::string dr_copy_id = {};  // a copy aside, of an earlier recovery point; empty: the plan's current one
  std::string run = {};         // the job of the whole plan that this is part of
  Time expires = {};            // of a test: see Failover::expires
};

nlohmann::json parameters_of(const FailoverRequest& request);

// What failover works with; all outlive the procedure.
struct FailoverParts {
  Sites& sites;
  HttpTransport& http;  // for health checks
  // The site that must not run the machine any more. Errors mean that it cannot be reached: a disaster.
  std::function<Result<PowerState>(const std::string& machine)> power_at_datacenter;
};

JobProcedure failover_procedure(FailoverParts parts);

// Ends a failover: the instance is terminated with its volumes; a production failover gives the machine back
// to the datacenter as it was before. Parameters: {"failover_id": ...}.
JobProcedure failover_cleanup_procedure(Sites& sites);

}  // namespace rekindle
