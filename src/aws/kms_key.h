// Whether a key of KMS can encrypt the volumes of an instance
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html).
#pragma once

#include <string>

#include "aws/json_client.h"
#include "site/recovery_target.h"

namespace rekindle {

inline constexpr const char* kms_target = "TrentService";

// `key`: id, alias or ARN. `invalid_argument`: there is no such key, or EBS cannot use it: says why and what
// to do. Where we may not ask or use it, or KMS does not answer, nothing is refused.
Result<Unproven> check_kms_key(JsonClient& kms, const std::string& key);

// The same, and each call that EBS makes of a key tried in our name, which is not made (DryRun): four calls
// more.
Result<Unproven> try_kms_key(JsonClient& kms, const std::string& key);

// As the EBS direct APIs want it. `invalid_argument`: there is no such key; `failed_precondition`: nobody
// says. Of "" it is "".
Result<std::string> kms_key_arn(JsonClient& kms, const std::string& key);

}  // namespace rekindle
