// Whether a plan's DR copies are encrypted, and what starts on encrypted volumes.
#pragma once

#include "model/dr_plan.h"

namespace rekindle {

// By the settings; the account may encrypt by default.
bool starts_encrypted(const VolumeSettings& volumes);

// Where the plan says so, and where it starts a machine on encrypted volumes: a block that an image does not
// hold reads as zeros, but as noise on an encrypted volume, also of an image that is not. Encrypted images
// hold their zeros.
bool encrypts_copies(const DrPlan& plan);

}  // namespace rekindle
