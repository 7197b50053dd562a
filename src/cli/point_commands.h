// The verbs of 'point', each in a file of its own.
#pragma once

#include "cli/commands.h"

namespace rekindle {

void add_point_serve(CLI::App& noun, Session& session);
// ls and get
void add_point_files(CLI::App& noun, Session& session);

}  // namespace rekindle
