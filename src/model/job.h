// A job is a row with a step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"

namespace rekindle {

// plan_failover: of all machines of a plan, each by a failover of its own. instance_backup: of a machine that
// runs in the account now. failback: of one machine.
enum class JobKind {
  backup,
  replicate,
  failover,
  failover_cleanup,
  plan_failover,
  instance_backup,
  failback
};

// running:   steps are being performed, or wait for a process to go on after a crash
// cleaning:  a step failed for good or the user cancelled; what was made is being removed
// succeeded, failed, cancelled: over
enum class JobState { running, cleaning, succeeded, failed, cancelled };

inline bool is_over(JobState state) {
  return state != JobState::running && state != JobState::cleaning;
}

struct StepTiming {
  std::string step;
  Time started{};
  std::int64_t milliseconds = 0;
};

struct Job {
  JobId id;
  JobKind kind = JobKind::backup;
  std::string subject;  // the machine (or plan) it is about: see Catalog::create_job
  JobState state = JobState::running;
  std::string step;  // the next to perform, by its name in the kind's table
  nlohmann::json parameters = nlohmann::json::object();  // what was asked; never changes
  nlohmann::json data = nlohmann::json::object();        // what the steps so far found and made
  std::vector<StepTiming> timings;
  std::string error;  // why it failed
  ErrorCode error_code = ErrorCode::internal;
  bool cancel_requested = false;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  Time created{};
  Time updated{};
  // The lease: who performs its steps. A save with an old fencing number is refused.
  std::string owner;
  std::uint64_t fencing = 0;
};

// The id of what a job makes, derived from its own, so that a repeated step names the same thing:
// "failover-3f0c" of "job-3f0c".
inline std::string id_by_job(std::string_view kind, const JobId& job) {
  const std::string& id = job.str();
  return std::string(kind) + id.substr(std::min(id.find('-'), id.size()));
}

// What a job's parameters or data say under `key`; "" if nothing.
inline std::string text(const nlohmann::json& object, const char* key) {
  return object.value(key, std::string());
}

}  // namespace rekindle
