// Could the machines of a plan come home now, to where, and how long would their services be away? Asked
// before the click; nothing is made.
#pragma once

#include <functional>

#include "protect/vaults.h"
#include "recover/failback.h"
#include "recover/preflight.h"

namespace rekindle {

struct FailbackCheckParts {
  Catalog& catalog;
  Sites& sites;
  Vaults& vaults;
  Clock& clock;
};

// The findings are of each machine of the plan that runs in the account, or of those named; `forecast`: of
// the longest downtime among them. `failed_precondition`: none of them runs there.
Result<Preflight> check_failback(const FailbackCheckParts& parts, const DrPlan& plan,
                                 const std::vector<std::string>& machines, ComeHomeTo to, bool test);

}  // namespace rekindle
