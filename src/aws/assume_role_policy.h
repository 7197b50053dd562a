// What makes a role of an account that its caller may assume: the role's trust policy, and what the caller's
// own policy must allow. Both are asked for where they are of different accounts
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-user_externalid.html).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace rekindle {

struct RoleTrust {
  std::string role;  // arn:aws:iam::123456789012:role/rekindle
  std::string
      caller;  // ARN of the role or the user that assumes it; of an account's root: all of that account
  std::string external_id;  // that the caller must say; empty: none is asked for
};

// {"trust_policy": of the role, "caller_policy": of the caller}. `invalid_argument` says what to write
// instead.
Result<nlohmann::json> assume_role_policies(const RoleTrust& trust);

}  // namespace rekindle
