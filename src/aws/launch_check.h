// Why an instance cannot be launched as a DR plan says, in words that name the wrong value and the way out.
#pragma once

#include <string>

#include "aws/ec2_client.h"
#include "aws/json_client.h"
#include "site/recovery_target.h"

namespace rekindle {

struct LaunchPlace {
  std::string region;
  std::string availability_zone;  // empty: not known
};

// What a fault of RunInstances means for these settings.
Error explain_launch_fault(const AwsFault& fault, const LaunchSpec& spec, const LaunchPlace& place,
                           const ServiceClient& service);

// Who is asked.
struct LaunchAdvisers {
  Ec2Client& ec2;
  JsonClient& kms;
  QueryClient& iam;
};

// Looks at the subnet, the security groups, the instance type, the addresses, the key of the volumes and the
// instance profile, without making anything. Where the credentials may not look, that look is left out, which
// `unproven` says: the launch itself has the last word.
struct SettingsCheck {
  LaunchPlace place;
  Unproven unproven;
};
Result<SettingsCheck> check_launch_settings(const LaunchAdvisers& advisers, const LaunchSpec& spec);

// Whether the IPv4 address can be given to an instance of the subnet: inside, and not one of the five that
// AWS keeps (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html). `invalid_argument` says
// why not.
Result<> check_address(const std::string& private_ip, const std::string& subnet_id, const std::string& cidr);

}  // namespace rekindle
