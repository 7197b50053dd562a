// Whether a key of KMS can encrypt the volumes of an instance
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html).
#pragma once

#include <string>

#include "aws/json_client.h"

namespace rekindle {

inline constexpr const char* kms_target = "TrentService";

// `key`: id, alias or ARN. `invalid_argument`: there is no such key, or EBS cannot use it: says why and what
// to do. Where nobody may ask, or KMS does not answer, a warning is logged and nothing is refused.
Result<> check_kms_key(JsonClient& kms, const std::string& key);

}  // namespace rekindle
