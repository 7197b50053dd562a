#include "recover/second_home.h"

#include <vector>

#include "protect/held_instance.h"

namespace rekindle {

Result<> refuse_second_instance(Catalog& catalog, const std::string& machine, FailoverKind kind) {
  const auto failovers = TRY(catalog.list<Failover>(machine));
  const auto ledger = TRY(catalog.ledger());
  for (const Failover& other : failovers) {
    if (other.kind != kind || other.state == FailoverState::returned) continue;
    if (other.state == FailoverState::running || holds_instance(other, ledger)) {
      return error(
          ErrorCode::failed_precondition,
          "{} runs already as {} since the failover {}; end it with 'rekindle failover clean-up {}' first",
          machine, other.instance_id, other.id, other.plan);
    }
  }
  return {};
}

namespace {

// The point that was brought home last is older than the homecoming, and has it all the same. Points are in
// the order they were made, whatever the clock said.
bool has_what_came_home(const std::vector<RecoveryPoint>& points, const Failover& returned,
                        const RecoveryPointId& chosen) {
  bool came_home = false;
  for (const RecoveryPoint& point : points) {
    came_home = came_home || (!returned.returned_point.empty() && point.id == returned.returned_point);
    if (point.id == chosen) return came_home || point.time >= returned.finished;
  }
  return false;
}

}  // namespace

Result<> refuse_older_copy(Catalog& catalog, const Failover& returned, const DrCopy& copy) {
  const auto points = TRY(catalog.list<RecoveryPoint>(returned.machine));
  if (has_what_came_home(points, returned, copy.recovery_point_id)) return {};
  return error(ErrorCode::failed_precondition,
               "{} came home from {}, and its DR copy is still that of before: bring it up to date with "
               "'rekindle replicate run {}' first, or give up what was written there with 'rekindle failover "
               "clean-up {}'",
               returned.machine, returned.instance_id, returned.plan, returned.plan);
}

}  // namespace rekindle
