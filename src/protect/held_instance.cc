#include "protect/held_instance.h"

#include <algorithm>

namespace rekindle {

namespace {

bool was_ended_in_vain(const Failover& failover, const std::vector<LedgerEntry>& ledger) {
  return failover.state == FailoverState::released && holds_instance(failover, ledger);
}

}  // namespace

bool holds_instance(const Failover& failover, const std::vector<LedgerEntry>& ledger) {
  return std::any_of(ledger.begin(), ledger.end(), [&](const LedgerEntry& entry) {
    return entry.job_id == failover.job_id && entry.kind == ResourceKind::instance &&
           entry.state != ResourceState::released;
  });
}

bool outlives_its_expiry(const Failover& failover, const std::vector<LedgerEntry>& ledger, Time now) {
  if (has_expired(failover, now)) return true;
  return failover.kind == FailoverKind::test && failover.expires != Time() && now >= failover.expires &&
         was_ended_in_vain(failover, ledger);
}

bool outlives_its_keeping(const Failover& failover, const std::vector<LedgerEntry>& ledger, Time now) {
  if (now < failover.keep_until) return false;
  if (failover.state == FailoverState::returned) return true;
  return failover.keep_until != Time() && was_ended_in_vain(failover, ledger);
}

}  // namespace rekindle
