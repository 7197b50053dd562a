// How the EBS direct APIs refuse: exception, status, Reason (the service's API model).
#pragma once

#include "sandbox/region/outcome.h"

namespace rekindle::sandbox {

template <typename... Args>
Refusal ebs_invalid(std::string_view reason, fmt::format_string<Args...> format, Args&&... args) {
  return {"ValidationException", fmt::format(format, std::forward<Args>(args)...), 400, std::string(reason)};
}

inline Refusal ebs_snapshot_not_found(std::string_view id) {
  return {"ResourceNotFoundException", fmt::format("The snapshot '{}' does not exist.", id), 404,
          "SNAPSHOT_NOT_FOUND"};
}

inline Refusal ebs_token_conflict() {
  return {"ConflictException", "The client token was used with other parameters before.", 409, ""};
}

inline Refusal ebs_quota(std::size_t quota) {
  return {"ServiceQuotaExceededException", fmt::format("There are {} pending snapshots already.", quota), 402,
          "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"};
}

}  // namespace rekindle::sandbox
