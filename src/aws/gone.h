// Removing what may be gone already, or may not be visible yet.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "aws/recently_made.h"
#include "base/clock.h"
#include "base/result.h"

namespace rekindle {

// Said of a thing by a call that describes or removes it. A deregistered AMI stays known for a while, as
// "unavailable".
inline bool says_gone(const Error& error) {
  return error.code() == ErrorCode::not_found ||
         error.message().find("InvalidAMIID.Unavailable") != std::string::npos;
}

// For so long at most a removal that was refused waits until what it removes can be seen.
inline constexpr std::chrono::milliseconds longest_look{10000};

// The policy that the program asks for (iam_policy.h) lets it remove what carries its tag. What is gone
// carries none, and AWS refuses to remove it in the same words as what is not ours: `describe`, which needs
// no tag, tells which it is. What was made a moment ago may not show its tag yet: once it can be seen, it is
// removed.
//
// `remove(settle_for)` and `describe(settle_for)` believe "not found" only after that time. Returns what
// says_gone() if `id` is gone; `unavailable` while nobody can know, for it was made a moment ago and is not
// to be seen; else what the last removal said.
template <typename Remove, typename Describe>
Result<> remove_or_gone(RecentlyMade& recent, const std::string& id, Remove&& remove, Describe&& describe) {
  Result<> removed = remove(recent.grace(id));
  if (removed.ok() || removed.error().code() != ErrorCode::permission_denied) return removed;
  const auto look = std::min(recent.grace(id), longest_look);
  const auto there = describe(look);
  if (there.ok()) return look.count() > 0 ? remove(recent.grace(id)) : removed;
  if (!says_gone(there.error())) return removed;
  if (recent.grace(id).count() == 0) return there.error();
  return error(ErrorCode::unavailable,
               "{} was made a moment ago and AWS does not show it yet: try again in {}", id,
               human_duration(recent.grace(id)));
}

}  // namespace rekindle
