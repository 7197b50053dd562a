// What the costs of a DR plan follow from: what the catalog knows of its machines, their copies and their
// last replications, and the instance types that the site would choose.
#pragma once

#include <string>

#include "catalog/catalog.h"
#include "recover/cost.h"
#include "site/sites.h"

namespace rekindle {

// Of production failovers. Fails only where the plan does not exist: what cannot be found out is left out,
// with a sentence.
Result<CostInputs> cost_inputs(Catalog& catalog, Sites& sites, const std::string& plan,
                               double hours_per_month);

}  // namespace rekindle
