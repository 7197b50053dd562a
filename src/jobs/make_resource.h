// Making something at a site so that no crash and no lost answer loses sight of it.
#pragma once

#include <utility>

#include "base/crash_point.h"
#include "jobs/job_runner.h"
#include "model/json.h"
#include "site/refusal.h"

namespace rekindle {

// Writes `entry` (its job is filled in) into the ledger, calls `make`, which returns Result<id>, and writes
// the id beside it. Idempotent as `make` is: it gets the same token again. What the site refuses (refusal.h)
// leaves the ledger at once; after any other error the entry stays, for a sweep to look for it by its token.
template <typename Make>
auto make_resource(StepContext& context, LedgerEntry entry, Make&& make) -> decltype(make()) {
  const std::string place = word(context.job.kind) + "/" + context.job.step;
  entry.job_id = context.job.id;
  const bool is_new = TRY(context.catalog.intend(entry));
  crash_point(place + "/intended");
  auto made = std::forward<Make>(make)();
  if (!made.ok()) {
    if (is_new && is_refusal(made.error().code())) TRY(context.catalog.mark_released(entry.token));
    return made;
  }
  crash_point(place + "/made");
  TRY(context.catalog.mark_exists(entry.token, made->str()));
  return made;
}

}  // namespace rekindle
