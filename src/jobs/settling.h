// What a site says of things that it made a moment ago is not the truth yet: it lists them late, and denies
// for a while that they are there. The process that made them knows, but it may be gone; the ledger knows,
// too.
#pragma once

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "jobs/job_runner.h"
#include "model/ledger_entry.h"

namespace rekindle {

// Whether "not found" of what the entry stands for may still be untrue. For ten minutes of a call whose
// answer was lost, which may take effect late; for two of a thing that is known to have been made: sites
// list within that time. An entry that "not found" is said of meanwhile stays in the ledger.
bool may_still_appear(const LedgerEntry& entry, Clock& clock);

// Asks a site for what the ledger knows by `token`, and again each second while the answer is a `not_found`
// that may_still_appear() tells not to believe. `ask` returns a Result. `cancelled` on stop.
template <typename Ask>
auto ask_patiently(StepContext& context, const std::string& token, Ask&& ask) -> decltype(ask()) {
  constexpr int most_looks = 600;  // whatever becomes of the clock
  for (int look = 0;; ++look) {
    auto answer = ask();
    if (answer.ok() || answer.error().code() != ErrorCode::not_found || look == most_looks) return answer;
    const auto entry = context.catalog.ledger_entry(token);
    if (!entry.ok() || !may_still_appear(*entry, context.clock)) return answer;
    if (!context.clock.sleep(std::chrono::seconds(1), context.stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
  }
}

}  // namespace rekindle
