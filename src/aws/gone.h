// Removing what may be gone already.
#pragma once

#include <utility>

#include "base/result.h"

namespace rekindle {

// Said of a thing by a call that describes or removes it. A deregistered AMI stays known for a while, as
// "unavailable".
inline bool says_gone(const Error& error) {
  return error.code() == ErrorCode::not_found ||
         error.message().find("InvalidAMIID.Unavailable") != std::string::npos;
}

// The policy that the program asks for (iam_policy.h) lets it remove what carries its tag. What is gone
// carries none, and AWS refuses to remove it in the same words as what is not ours: `describe`, which needs
// no tag, tells which it is. Returns what says_gone() if it is gone, else `removed`.
template <typename Describe>
Result<> gone_or_refused(Result<> removed, Describe&& describe) {
  if (removed.ok() || removed.error().code() != ErrorCode::permission_denied) return removed;
  const auto there = std::forward<Describe>(describe)();
  if (!there.ok() && says_gone(there.error())) return there.error();
  return removed;
}

}  // namespace rekindle
