// Which recovery points of a machine stay, and why.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/recovery_point.h"
#include "model/settings.h"

namespace rekindle {

struct RetentionDecision {
  RecoveryPoint point;
  bool keep = true;
  std::string reason;  // for people: "daily 2 of 14 (2026-11-20)"
};

// `points` are of one machine in one vault, `rules` those of every policy that backs it up there: a point
// goes only if all of them let it go. Kept whatever they say: the newest, those under a legal hold, and those
// that a DR copy was made of (`copied`: without it the next replication writes everything again). Without
// rules, or where one policy has none, all are kept. Newest first.
std::vector<RetentionDecision> decide_retention(const std::vector<RetentionRules>& rules,
                                                std::vector<RecoveryPoint> points,
                                                const std::set<RecoveryPointId>& copied);

}  // namespace rekindle
