// From what a DR plan says of a machine to what the site is asked for.
#pragma once

#include <string>

#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

// The settings with every word replaced by a value: the instance type that "auto" means for the machine's
// vCPUs and memory, the private address that "same-host" means in the subnet's range ("" for "auto"). Asks
// the site where there is such a word. `invalid_argument` names the field that cannot be.
Result<FailoverSettings> resolve_settings(RecoveryTarget& site, const DrCopy& copy,
                                          FailoverSettings settings);

// Of resolved settings; without template, token and tags of the job.
LaunchSpec launch_spec_of(const FailoverSettings& settings, const DrCopy& copy);

// The address in `range` ("10.9.0.0/16") that has the host part of `address` ("192.168.7.20" -> "10.9.7.20").
// `invalid_argument`: one is no IPv4 address or range.
Result<std::string> same_host_in(const std::string& range, const std::string& address);

}  // namespace rekindle
