#include "jobs/audit.h"

#include <algorithm>
#include <map>
#include <set>

#include "jobs/sweep.h"

namespace rekindle {

namespace {

// The volumes of an instance, and the images of its snapshot, carry its token; they come and go with it.
bool is_part_of(const LedgerEntry& entry, const OwnedObject& object) {
  return (entry.kind == ResourceKind::instance && object.kind == ResourceKind::volume) ||
         (entry.kind == ResourceKind::instance_snapshot && object.kind == ResourceKind::image);
}

}  // namespace

std::size_t Audit::orphans() const {
  return static_cast<std::size_t>(std::count_if(objects.begin(), objects.end(), [](const AuditedObject& one) {
    return one.state == OwnedState::orphan;
  }));
}

// The site is asked before the ledger is read: what is made between the two is listed.
Result<Audit> audit_account(Catalog& catalog, RecoveryTarget& site, const std::string& account) {
  const auto objects = TRY(site.owned_objects());
  std::map<std::string, LedgerEntry> by_token;
  std::set<JobId> unfinished;
  TRY(catalog.transaction([&]() -> Result<> {
    const auto ledger = TRY(catalog.ledger());
    const auto jobs = TRY(catalog.unfinished_jobs());
    for (const LedgerEntry& entry : ledger) {
      by_token.emplace(entry.token, entry);  // of all: one AWS account may have two names here
    }
    for (const Job& job : jobs) unfinished.insert(job.id);
    return {};
  }));
  Audit audit;
  std::set<std::string> seen;
  for (const OwnedObject& object : objects) {
    AuditedObject audited{object, OwnedState::orphan, ""};
    const auto entry = by_token.find(object.token);
    if (entry != by_token.end()) {
      const LedgerEntry& known = entry->second;
      const bool is_it = known.object_id.empty() || known.object_id == object.id || is_part_of(known, object);
      if (is_it && unfinished.contains(known.job_id)) {
        audited.state = OwnedState::working;
        audited.used_by = known.job_id.str();
      } else if (is_it) {
        audited.state = known.in_use_by.empty() ? OwnedState::waiting : OwnedState::used;
        audited.used_by = known.in_use_by;
      }
      const bool is_all = known.object_id == object.id || known.kind == ResourceKind::instance_snapshot;
      if (is_all) seen.insert(object.token);
    }
    audit.objects.push_back(std::move(audited));
  }
  for (const auto& [token, entry] : by_token) {
    const bool listed = entry.site == account && entry.state == ResourceState::exists &&
                        !entry.in_use_by.empty() && entry.kind != ResourceKind::machine_snapshot &&
                        entry.kind != ResourceKind::restored_machine;
    if (listed && !seen.contains(token)) audit.lost.push_back(entry);
  }
  return audit;
}

Result<> remove_orphans(RecoveryTarget& site, Clock& clock, const Audit& audit) {
  std::vector<OwnedObject> orphans;
  for (const AuditedObject& audited : audit.objects) {
    if (audited.state == OwnedState::orphan) orphans.push_back(audited.object);
  }
  std::stable_sort(orphans.begin(), orphans.end(), [](const OwnedObject& a, const OwnedObject& b) {
    return removal_order(a.kind) < removal_order(b.kind);
  });
  Result<> first;
  for (const OwnedObject& orphan : orphans) {
    Result<> removed = orphan.kind == ResourceKind::instance
                           ? terminate_and_wait(site, clock, InstanceId(orphan.id))
                           : site.remove_object(orphan);
    if (!removed.ok() && first.ok()) first = std::move(removed).error().context("removing {}", orphan.id);
  }
  return first;
}

}  // namespace rekindle
