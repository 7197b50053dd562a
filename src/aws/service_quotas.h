// Whether the account's quotas allow what a DR plan would run
// (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html,
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/ec2_client.h"
#include "aws/json_client.h"
#include "site/recovery_target.h"

namespace rekindle {

inline constexpr const char* quotas_target = "ServiceQuotasV20190624";

// What a quota allows: the account's own, else the default of AWS; none: Service Quotas does not know it.
// `service_code`: "ec2", "ebs". Errors say why it could not be asked.
Result<std::optional<double>> quota_of(JsonClient& quotas, const std::string& service_code,
                                       const std::string& quota_code);

// The vCPUs of running on-demand Standard instances (L-1216C47A): those that run now, and those of `specs`
// beside them. `exhausted`: there is not room for all. Other families have quotas of their own, which are not
// looked at. Where nobody may ask, or Service Quotas does not answer, nothing is refused.
Result<Unproven> check_vcpu_quota(JsonClient& quotas, Ec2Client& ec2, const std::vector<LaunchSpec>& specs);

// Whether the type is of the families A, C, D, H, I, M, R, T, Z: "im4gn.large" is, "inf1.xlarge" and
// "mac1.metal" are not.
bool is_standard_type(std::string_view instance_type);

}  // namespace rekindle
