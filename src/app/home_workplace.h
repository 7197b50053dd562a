// The workplace of a home directory: catalog.db, secret.key, and the sites that the catalog names.
#pragma once

#include <memory>
#include <string>

#include "cli/workplace.h"

namespace rekindle {

// Makes the directory (mode 0700) if it is absent.
Result<std::unique_ptr<Workplace>> open_home(const std::string& home);

}  // namespace rekindle
