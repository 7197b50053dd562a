// Conversion of a DR copy's boot disk into a child image: the few blocks that must differ.
#pragma once

#include <nlohmann/json.hpp>

#include "jobs/job_runner.h"
#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

struct ConversionOutcome {
  nlohmann::json report;  // what was changed, for people and for the record
  std::uint64_t blocks_written = 0;
};

// Reads the copy's images, converts the boot disk in memory, writes the changed blocks to `child` (pending,
// its parent is the boot disk's image) and completes it. Writes nothing when `child` is complete already.
// `failed_precondition` with the reason when the guest cannot be converted.
Result<ConversionOutcome> convert_image(RecoveryTarget& site, const DrCopy& copy, const ImageId& child,
                                        StepContext& context);

}  // namespace rekindle
