// A job is a row with a step: take the next step, perform it, save, repeat. Steps are idempotent, so that
// after a crash at any instant the job goes on with the step it was at.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "base/retry.h"
#include "catalog/catalog.h"
#include "model/job.h"

namespace rekindle {

// Bytes done of bytes known, of the step in work. Any thread.
struct Progress {
  std::atomic<std::uint64_t> bytes_done = 0;
  std::atomic<std::uint64_t> bytes_total = 0;
};

struct StepContext {
  Job& job;  // a step may change job.data; it is saved after the step
  Catalog& catalog;
  Clock& clock;
  Random& random;
  Progress& progress;
  std::stop_token stop;  // set on cancel: return `cancelled` soon
};

using StepFunction = std::function<Result<>(StepContext&)>;

struct Step {
  std::string name;
  std::string role;     // who performs it: "backup proxy", "AWS proxy"
  std::string purpose;  // for people, as progress: "reading changed blocks"
  StepFunction perform;
  // Past the point of no return: a cancel comes too late, the step is performed all the same.
  bool must_finish = false;
};

// A step that is a method of `steps`, which is kept alive by it.
template <typename Steps>
StepFunction method_of(std::shared_ptr<Steps> steps, Result<> (Steps::*method)(StepContext&)) {
  return [steps = std::move(steps), method](StepContext& context) { return (*steps.*method)(context); };
}

// The table of a kind of job.
struct JobProcedure {
  JobKind kind = JobKind::backup;
  std::vector<Step> steps;
  // Removes what the job made and nobody uses. Called after a step failed for good, or on cancel. Idempotent.
  // It may find that the job was done after all: then it sets job.state to succeeded.
  StepFunction clean_up;
  // clean_up puts right what nobody can live with, as a service that is away: it is tried again for a few
  // minutes (for half a one after a cancel; not after `failed_precondition`, which needs a person). Where
  // that was in vain the job stays `cleaning`, owned by nobody, job.data["left_behind"] saying why, until it
  // is resumed.
  bool must_clean_up = false;
};

// Watches a job; called from the thread that runs it, and tick() from another one every 0.2 s.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  virtual void step_started(const Job& /*job*/, const Step& /*step*/) {}
  virtual void tick(const Progress& /*progress*/) {}
  virtual void finished(const Job& /*job*/) {}
};

class JobRunner {
 public:
  JobRunner(Catalog& catalog, Clock& clock, Random& random, JobObserver& observer)
      : catalog_(catalog), clock_(clock), random_(random), observer_(observer) {}

  // Makes the job and performs it to its end. An error of the catalog, or that the subject has an unfinished
  // job, is an error of this call; a job that failed is a success of it (see Job::state and Job::error), as
  // is one that must be cleaned up after and could not be yet: it is `cleaning`.
  Result<Job> start(const JobProcedure& procedure, const std::string& subject, nlohmann::json parameters,
                    std::stop_token stop = {});
  // Goes on with an unfinished job whose process is gone. `unavailable` while that process lives, or another
  // thread of this one performs it.
  Result<Job> resume(const JobProcedure& procedure, const JobId& id, std::stop_token stop = {});

 private:
  Result<> perform_steps(const JobProcedure& procedure, StepContext& context);
  Result<> perform_step(const Step& step, StepContext& context);
  Result<> clean_up(const JobProcedure& procedure, StepContext& context);
  Result<> fail(const JobProcedure& procedure, StepContext& context, const Error& why);

  Catalog& catalog_;
  Clock& clock_;
  Random& random_;
  JobObserver& observer_;
};

// The error of a job that did not succeed, for the caller that wants one.
Result<> outcome(const Job& job);

}  // namespace rekindle
