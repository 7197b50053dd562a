// Draws a job: on a terminal one line that moves, with rate and time left; in a pipe nothing but the end of
// each step with --verbose.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "jobs/job_runner.h"

namespace rekindle {

// "reading into the vault  1.2 GiB of 4.0 GiB, 310.0 MiB/s, 9.3 s left"
std::string progress_text(const std::string& purpose, std::uint64_t done, std::uint64_t total,
                          std::chrono::milliseconds elapsed);

class ProgressLine final : public JobObserver {
 public:
  // `quiet`: draw nothing (--json).
  ProgressLine(Clock& clock, bool quiet);
  // What is under way, where it is not a job. `finish` wipes the line.
  void start(const std::string& title, const std::string& purpose);
  void finish();
  void step_started(const Job& job, const Step& step) override;
  void tick(const Progress& progress) override;
  void finished(const Job& job) override;

 private:
  void draw(const std::string& text);

  Clock& clock_;
  const bool draws_;
  std::mutex mutex_;
  std::string title_;
  std::string purpose_;
  std::chrono::nanoseconds started_{};
};

}  // namespace rekindle
