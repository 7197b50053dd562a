// replicate verify: are the DR copies what their recovery points say?
#pragma once

#include "cli/commands.h"

namespace rekindle {

// verify; of the noun replicate.
void add_replicate_verify(CLI::App& noun, Session& session);

}  // namespace rekindle
