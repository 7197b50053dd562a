#include "cli/progress_line.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "base/bytes.h"
#include "model/json.h"

namespace rekindle {

std::string progress_text(const std::string& purpose, std::uint64_t done, std::uint64_t total,
                          std::chrono::milliseconds elapsed) {
  if (total == 0) return purpose;
  std::string text =
      fmt::format("{}  {} of {}", purpose, human_bytes(std::min(done, total)), human_bytes(total));
  const double seconds = static_cast<double>(elapsed.count()) / 1000;
  if (done == 0 || seconds < 0.5) return text;
  const double rate = static_cast<double>(done) / seconds;
  const double left = done >= total ? 0 : static_cast<double>(total - done) / rate;
  return text +
         fmt::format(", {}/s, {} left", human_bytes(static_cast<std::uint64_t>(rate)),
                     human_duration(std::chrono::milliseconds(static_cast<std::int64_t>(left * 1000))));
}

ProgressLine::ProgressLine(Clock& clock, bool quiet)
    : clock_(clock), draws_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::step_started(const Job& job, const Step& step) {
  start(fmt::format("{} {}", word(job.kind), job.subject), step.purpose);
}

void ProgressLine::start(const std::string& title, const std::string& purpose) {
  const std::lock_guard lock(mutex_);
  title_ = title;
  purpose_ = purpose;
  started_ = clock_.ticks();
  draw(purpose_);
}

void ProgressLine::tick(const Progress& progress) {
  const std::lock_guard lock(mutex_);
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.ticks() - started_);
  draw(progress_text(purpose_, progress.bytes_done, progress.bytes_total, elapsed));
}

void ProgressLine::finished(const Job&) {
  finish();
}

void ProgressLine::finish() {
  const std::lock_guard lock(mutex_);
  if (draws_) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::draw(const std::string& text) {
  if (!draws_) return;
  fmt::print(stderr, "\r\033[K{}: {}", title_, text);
  std::fflush(stderr);
}

}  // namespace rekindle
