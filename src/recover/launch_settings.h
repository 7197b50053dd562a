// From what a DR plan says of a machine to what the site is asked for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

// The settings with every word replaced by a value: the instance type that "auto" means for the machine's
// vCPUs and memory, the private address that "same-host" means in the subnet's range ("" for "auto"). Asks
// the site where there is such a word. `invalid_argument` names the field that cannot be.
Result<FailoverSettings> resolve_settings(RecoveryTarget& site, const DrCopy& copy,
                                          FailoverSettings settings);

// One way to start a machine: another type, or another place.
struct LaunchCandidate {
  std::string instance_type;
  std::string subnet_id;
  std::string private_ip;  // "": any free one

  friend bool operator==(const LaunchCandidate&, const LaunchCandidate&) = default;
};

void to_json(nlohmann::json& j, const LaunchCandidate& candidate);
void from_json(const nlohmann::json& j, LaunchCandidate& candidate);

struct LaunchChoice {
  FailoverSettings settings;                // resolved, of the first candidate
  std::vector<LaunchCandidate> candidates;  // in the order they are to be tried; at least one
  std::vector<std::string> remarks;         // what of the plan's other subnets cannot be as it says
};

// All types in the plan's subnet, then all of them in each of its other subnets. There a private address that
// is not in their range is replaced by any free one; one that makes no sense is left out. Errors are those of
// the plan's own subnet, as of resolve_settings(); where only no type fits there (`exhausted`), another
// subnet may do.
Result<LaunchChoice> resolve_candidates(RecoveryTarget& site, const DrCopy& copy,
                                        const FailoverSettings& settings);

// What all candidates of the settings have in common stays.
void start_as(LaunchSpec& spec, const LaunchCandidate& candidate);

// Of resolved settings; without template, token and tags of the job.
LaunchSpec launch_spec_of(const FailoverSettings& settings, const DrCopy& copy);

// The address in `range` ("10.9.0.0/16") that has the host part of `address` ("192.168.7.20" -> "10.9.7.20").
// `invalid_argument`: one is no IPv4 address or range.
Result<std::string> same_host_in(const std::string& range, const std::string& address);

}  // namespace rekindle
