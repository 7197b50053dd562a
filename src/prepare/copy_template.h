// The template (AMI) of a DR copy: what an instance is launched from.
#pragma once

#include <string>

#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

// `boot_image`: the copy's first, or its converted child. `name` is the token, unique at the site.
TemplateSpec template_of(const DrCopy& copy, const ImageId& boot_image, const std::string& name, Tags tags);

}  // namespace rekindle
