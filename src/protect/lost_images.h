// The images of a DR copy that the next one cannot be made on top of.
#pragma once

#include <string>

#include "model/dr_plan.h"
#include "site/sites.h"

namespace rekindle {

// Drops from the copy, as the caller has it, the disks whose images somebody removed behind our back, that
// lie in another account than this one, or that leave out zeros, which would be noise on the volumes of an
// account that encrypts them by default since: they are written whole again. Errors are the site's.
Result<> drop_lost_images(Sites& sites, const std::string& account, DrCopy& copy);

}  // namespace rekindle
