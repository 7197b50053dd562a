// Whether all the quotas that a DR plan needs room in leave it: of vCPUs (service_quotas.h) and of EBS
// (https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html). That of Elastic IPs is not
// asked for: a plan names addresses that the account has, and Rekindle allocates none.
#pragma once

#include <vector>

#include "aws/ec2_client.h"
#include "aws/json_client.h"
#include "site/recovery_target.h"

namespace rekindle {

// The storage of volumes by their type, the snapshots of the region, and those that are pending. `exhausted`:
// there is not room for the volumes of `specs`, or for a new snapshot of each beside those that are there.
// What would be used to more than 80 % is unproven, as is what cannot be asked; pending snapshots are never
// too many, for Rekindle waits. At most two calls of Service Quotas for each quota, a look at the volumes of
// each type that is wanted, and one for each thousand of the snapshots, of which there may be 20.
Result<Unproven> check_ebs_quotas(JsonClient& quotas, Ec2Client& ec2, const std::vector<LaunchSpec>& specs);

// These, and the vCPUs.
Result<Unproven> check_account_quotas(JsonClient& quotas, Ec2Client& ec2,
                                      const std::vector<LaunchSpec>& specs);

}  // namespace rekindle
