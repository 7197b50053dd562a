// What a preflight found, for people and as JSON.
#pragma once

#include "cli/commands.h"
#include "recover/preflight.h"

namespace rekindle {

void print_findings(Session& session, const Preflight& preflight);

}  // namespace rekindle
