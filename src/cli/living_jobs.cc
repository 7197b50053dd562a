#include "cli/living_jobs.h"

#include <algorithm>

#include "model/json.h"

namespace rekindle {

Result<> wait_while_one_lives(Catalog& catalog, Clock& clock, const std::function<bool(const Job&)>& is_meant,
                              const std::stop_token& stop) {
  for (;;) {
    const auto jobs = TRY(catalog.unfinished_jobs());
    const bool lives = std::any_of(jobs.begin(), jobs.end(),
                                   [&](const Job& job) { return is_meant(job) && owner_lives(job.owner); });
    if (!lives) return {};
    if (!clock.sleep(std::chrono::milliseconds(500), stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
  }
}

Result<> wait_for_living(const Output& output, Catalog& catalog, Clock& clock, const Job& job,
                         const std::stop_token& stop) {
  output.progress(fmt::format("Waiting for {} {} of {}; 'rekindle job cancel {}' ends it sooner.",
                              word(job.kind), job.id, job.subject, job.id));
  return wait_while_one_lives(catalog, clock, [&](const Job& other) { return other.id == job.id; }, stop);
}

}  // namespace rekindle
