// Jobs that run side by side, on a terminal: a line at each step of each, and nothing that moves.
#pragma once

#include "jobs/job_runner.h"

namespace rekindle {

class StepLines final : public JobObserver {
 public:
  // `quiet`: print nothing (--json).
  explicit StepLines(bool quiet);
  void step_started(const Job& job, const Step& step) override;
  void finished(const Job& job) override;

 private:
  const bool prints_;
};

}  // namespace rekindle
