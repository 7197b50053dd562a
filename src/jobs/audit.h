// The proof that an account holds nothing of ours that is not listed: what carries our tags there, beside the
// ledger.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "site/sites.h"

namespace rekindle {

// used:    the ledger lists it, and something uses it
// working: the job that made it is not finished
// waiting: the ledger lists it and nothing uses it any more: the next sweep removes it
// orphan:  the ledger does not know it, or holds it for gone
enum class OwnedState { used, working, waiting, orphan };

struct AuditedObject {
  OwnedObject object;
  OwnedState state = OwnedState::orphan;
  std::string used_by;  // of the ledger; or the job
};

struct Audit {
  std::vector<AuditedObject> objects;
  std::vector<LedgerEntry> lost;  // listed, used, and not there any more: somebody else removed it
  std::size_t orphans() const;
};

// Looks, and changes nothing.
Result<Audit> audit_account(Catalog& catalog, RecoveryTarget& site, const std::string& account);

// Removes the orphans of the audit: instances first, then templates, images and volumes. Goes on after an
// error; returns the first.
Result<> remove_orphans(RecoveryTarget& site, Clock& clock, const Audit& audit);

}  // namespace rekindle
