// Which recovery points of a machine stay, and why.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "model/recovery_point.h"
#include "model/settings.h"

namespace rekindle {

struct RetentionDecision {
  RecoveryPoint point;
  bool keep = true;
  std::string reason;  // for people: "daily 2 of 14 (2026-11-20)"
};

// What `decide_retention` must keep whatever the rules say: why, by point. Those that DR copies were made of
// (without it the next replication writes everything again); and of every failover that runs, or whose
// machine came home and whose instance is still kept, the point that it was started from and the newest of
// its instance: without the first nobody knows the machine's configuration on its way home.
Result<std::map<RecoveryPointId, std::string>> pinned_points(Catalog& catalog);

// `points` are of one machine in one vault, `rules` those of every policy that backs it up there: a point
// goes only if all of them let it go. Kept whatever they say: the newest, those under a legal hold, and those
// that are `pinned`, with the reason. Without rules, or where one policy has none, all are kept. Newest
// first.
std::vector<RetentionDecision> decide_retention(const std::vector<RetentionRules>& rules,
                                                std::vector<RecoveryPoint> points,
                                                const std::map<RecoveryPointId, std::string>& pinned);

}  // namespace rekindle
