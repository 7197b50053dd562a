#include "cli/step_lines.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "model/json.h"

namespace rekindle {

StepLines::StepLines(bool quiet) : prints_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

// One call a line, which stdio keeps together.
void StepLines::step_started(const Job& job, const Step& step) {
  if (prints_) fmt::print(stderr, "{:<24} {}\n", job.subject, step.purpose);
}

void StepLines::finished(const Job& job) {
  if (prints_) fmt::print(stderr, "{:<24} {}\n", job.subject, word(job.state));
}

}  // namespace rekindle
