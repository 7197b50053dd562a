// Which errors mean that the site said no, so that nothing was made.
#pragma once

#include "base/result.h"

namespace rekindle {

inline bool is_refusal(ErrorCode code) {
  return code == ErrorCode::invalid_argument || code == ErrorCode::permission_denied ||
         code == ErrorCode::unauthenticated || code == ErrorCode::failed_precondition ||
         code == ErrorCode::exhausted;
}

// What makes something at a site in several calls passes the results of those after the making one through
// this: the thing is there, or may be, so none of their errors is a refusal, whatever the site answered.
template <typename T>
Result<T> after_making(Result<T> result) {
  if (result.ok() || !is_refusal(result.error().code())) return result;
  return Error(ErrorCode::internal, result.error().message());
}

// The same of one call that was sent several times: an attempt before the last may have been done.
inline Error after_lost_attempt(Error error) {
  if (!is_refusal(error.code())) return error;
  return Error(ErrorCode::internal,
               error.message() + " (an earlier attempt was not answered and may have been done)");
}

}  // namespace rekindle
