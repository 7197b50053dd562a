// Why a collector cannot take away what a writer refers to, without either knowing of the other.
#pragma once

#include <chrono>
#include <optional>

#include "vault/pack_list.h"

namespace rekindle {

// A writer that began less than this ago may commit without looking again. The grace period of a collector is
// at least twice as long; the other half is for the put of the point to arrive.
constexpr std::chrono::hours lease_time{12};
constexpr std::chrono::hours shortest_grace = 2 * lease_time;

// A writer asks for `begun` = store_time() before it lists the marks and packs that it will refer to. It
// calls this right before it puts its point.
//
// 1. The packs that it refers to were neither doomed nor damaged after `begun`. A collector deletes a pack
// only if
//    a listing of all points that it began a grace period after the pack's doom finds nobody who needs it. So
//    the earliest such listing begins at begun + grace, and the point is listed by then.
// 2. What it inherits unread is reached by its parent, which was listed after `begun`. A removed point keeps
//    protecting what it reaches for a grace period (see Vault::remove_point).
//
// If more than lease_time has passed, all this is established anew: `unavailable` if a pack of `referred` is
// doomed or gone (the next run uses what this one stored, except that), `failed_precondition` if the parent
// is not listed any more.
Result<> confirm_lease(ObjectStore& store, Random& random, Time begun, const PackNames& referred,
                       const std::optional<std::string>& parent_object);

}  // namespace rekindle
