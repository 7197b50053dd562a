// Machines that start on encrypted volumes: what an image that is not encrypted leaves out, zeros, would read
// as noise there.
#pragma once

#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

// Whether some image of the copy does not hold its zeros: one that was made before the plan had it encrypted.
// Errors: those of the site.
Result<bool> leaves_out_zeros(RecoveryTarget& site, const DrCopy& copy);

// `failed_precondition` where the copy does, and starts encrypted by these settings or because the account
// encrypts by default; says the ways out.
Result<> refuse_noise(RecoveryTarget& site, const DrCopy& copy, const FailoverSettings& settings);

}  // namespace rekindle
