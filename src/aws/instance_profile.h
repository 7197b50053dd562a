// Whether the role that a DR plan gives its instances is there
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetInstanceProfile.html).
#pragma once

#include <string>

#include "aws/query_client.h"
#include "site/recovery_target.h"

namespace rekindle {

inline constexpr const char* iam_version = "2010-05-08";

// IAM is one for all regions of a partition: the options with its region and, unless they name an endpoint of
// their own, its address.
ServiceOptions iam_options(ServiceOptions regional);

// `profile`: name or ARN. `invalid_argument`: there is no such instance profile, or it has no role. Where
// nobody may ask, or IAM does not answer, nothing is refused.
Result<Unproven> check_instance_profile(QueryClient& iam, const std::string& profile);

}  // namespace rekindle
