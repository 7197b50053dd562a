#include "jobs/dr_copies.h"

#include "model/json.h"

namespace rekindle {

std::string user_of(const DrCopy& copy) {
  return "dr_copy:" + copy.id;
}

Result<> forget_copy(Catalog& catalog, const DrCopy& copy) {
  return catalog.transaction([&]() -> Result<> {
    const auto unfinished = TRY(catalog.unfinished_jobs());
    for (const Job& job : unfinished) {
      if (job.subject == copy.machine && side_of(job.kind) == "account") {
        return error(ErrorCode::failed_precondition,
                     "{} {} of {} is not finished; follow it with 'rekindle job show {}'", word(job.kind),
                     job.id, job.subject, job.id);
      }
    }
    TRY(catalog.release_uses("dr_copy:" + copy.id));
    return catalog.remove<DrCopy>(copy.id);
  });
}

Result<std::optional<DrCopy>> current_copy(Catalog& catalog, const std::string& plan,
                                           const std::string& machine) {
  const auto copies = TRY(catalog.list<DrCopy>(machine));
  for (const DrCopy& copy : copies) {
    if (copy.plan == plan && copy.state == DrCopyState::current) return std::optional(copy);
  }
  return std::optional<DrCopy>();
}

}  // namespace rekindle
