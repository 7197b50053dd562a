#include "jobs/job_runner.h"

#include <algorithm>
#include <thread>

#include "base/crash_point.h"
#include "base/log.h"
#include "model/json.h"

namespace rekindle {

namespace {

// Looks twice a second whether the user cancelled, tells the catalog how far the step is, and lets the
// observer draw.
class Watcher {
 public:
  Watcher(Catalog& catalog, JobObserver& observer, const Job& job, Progress& progress, std::stop_token outer)
      : outer_stop_(outer, [this] { stop_.request_stop(); }),
        thread_([this, &catalog, &observer, id = job.id, &progress](std::stop_token end) {
          SystemClock clock;
          for (int tick = 0; clock.sleep(std::chrono::milliseconds(200), end); ++tick) {
            observer.tick(progress);
            if (tick % 3 != 0) continue;
            const auto now = catalog.job(id);
            if (now.ok() && now->cancel_requested) stop_.request_stop();
            const Result<> told = catalog.report_progress(id, progress.bytes_done, progress.bytes_total);
            if (!told.ok()) log::debug("{}", told.error().message());
          }
        }) {
    if (job.cancel_requested) stop_.request_stop();  // before its process died
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> outer_stop_;
  std::jthread thread_;
};

std::size_t position_of(const JobProcedure& procedure, const std::string& step) {
  const auto found = std::find_if(procedure.steps.begin(), procedure.steps.end(),
                                  [&](const Step& candidate) { return candidate.name == step; });
  return static_cast<std::size_t>(found - procedure.steps.begin());
}

}  // namespace

Result<Job> JobRunner::start(const JobProcedure& procedure, const std::string& subject,
                             nlohmann::json parameters, std::stop_token stop) {
  CHECK(!procedure.steps.empty());
  const Job job =
      TRY(catalog_.create_job(procedure.kind, subject, std::move(parameters), procedure.steps.front().name));
  crash_point(fmt::format("{}/created", word(procedure.kind)));
  return resume(procedure, job.id, std::move(stop));
}

Result<Job> JobRunner::resume(const JobProcedure& procedure, const JobId& id, std::stop_token stop) {
  const auto hold = TRY(catalog_.hold_job(id));
  Job job = TRY(catalog_.claim_job(id, process_owner()));
  Progress progress;
  {
    const Watcher watcher(catalog_, observer_, job, progress, std::move(stop));
    StepContext context{job, catalog_, clock_, random_, progress, watcher.token()};
    if (job.state == JobState::running) {
      const Result<> performed = perform_steps(procedure, context);
      if (!performed.ok()) TRY(fail(procedure, context, performed.error()));
    } else if (job.state == JobState::cleaning) {
      TRY(fail(procedure, context, Error(job.error_code, job.error)));
    }
  }
  observer_.finished(job);
  return job;
}

Result<> JobRunner::perform_steps(const JobProcedure& procedure, StepContext& context) {
  Job& job = context.job;
  std::size_t position = position_of(procedure, job.step);
  CHECK(position < procedure.steps.size());
  for (; position < procedure.steps.size(); ++position) {
    const Step& step = procedure.steps[position];
    const std::string place = word(procedure.kind) + "/" + step.name;
    crash_point(place + "/before");
    TRY(perform_step(step, context));
    crash_point(place + "/done");
    const bool last = position + 1 == procedure.steps.size();
    if (last) {
      job.state = JobState::succeeded;
    } else {
      job.step = procedure.steps[position + 1].name;
    }
    TRY(catalog_.save_job(job));
    crash_point(place + "/saved");
  }
  return {};
}

Result<> JobRunner::perform_step(const Step& step, StepContext& context) {
  observer_.step_started(context.job, step);
  const auto begin = clock_.ticks();
  StepTiming timing{step.name, clock_.now(), 0};
  // The sites' clients have retried each call; a whole step again is for what they could not see through.
  constexpr RetryPolicy policy{2, std::chrono::milliseconds(500), std::chrono::milliseconds(2000)};
  const std::stop_token stop = step.must_finish ? std::stop_token() : context.stop;
  StepContext own{context.job, context.catalog, context.clock, context.random, context.progress, stop};
  TRY(with_retries(policy, clock_, random_, stop, [&]() -> Result<> {
    if (own.stop.stop_requested()) return error(ErrorCode::cancelled, "cancelled by the user");
    context.progress.bytes_done = 0;
    context.progress.bytes_total = 0;
    return step.perform(own);
  }));
  timing.milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.ticks() - begin).count();
  context.job.timings.push_back(timing);
  return {};
}

Result<> JobRunner::fail(const JobProcedure& procedure, StepContext& context, const Error& why) {
  Job& job = context.job;
  const bool cancelled = why.code() == ErrorCode::cancelled;
  if (job.state == JobState::running) {
    job.state = JobState::cleaning;
    job.error = why.message();
    job.error_code = why.code();
    TRY(catalog_.save_job(job));
    crash_point(word(procedure.kind) + "/cleaning");
  }
  const Result<> cleaned = clean_up(procedure, context);
  if (!cleaned.ok()) job.data["left_behind"] = cleaned.error().message();
  if (!cleaned.ok() && procedure.must_clean_up) {
    log::error("{}: what it changed could not be put right yet: {}", job.id, cleaned.error().message());
    job.owner.clear();
    return catalog_.save_job(job);
  }
  // The ledger keeps what is left; the next start, or the next job at that site, removes it.
  if (!cleaned.ok())
    log::warn("{}: what it made could not be removed yet: {}", job.id, cleaned.error().message());
  if (job.state == JobState::succeeded) {
    job.error.clear();
  } else {
    job.state = cancelled ? JobState::cancelled : JobState::failed;
  }
  return catalog_.save_job(job);
}

Result<> JobRunner::clean_up(const JobProcedure& procedure, StepContext& context) {
  // Not stopped by the cancel that it serves.
  StepContext cleaning{context.job, context.catalog, context.clock, context.random, context.progress, {}};
  if (!procedure.must_clean_up) return procedure.clean_up(cleaning);
  // A stop that comes while it waits ends the wait; after a cancel a person waits for an answer.
  const bool is_cancelled = context.stop.stop_requested();
  const std::stop_token stop = is_cancelled ? std::stop_token() : context.stop;
  constexpr RetryPolicy policy{0, std::chrono::milliseconds(1000), std::chrono::milliseconds(30000)};
  const std::chrono::seconds patience(is_cancelled ? 30 : 300);
  const auto began = clock_.ticks();
  for (int attempt = 1;; ++attempt) {
    context.job.data.erase("left_behind");
    Result<> cleaned = procedure.clean_up(cleaning);
    if (cleaned.ok() || cleaned.error().code() == ErrorCode::failed_precondition) return cleaned;
    if (clock_.ticks() - began >= patience) return cleaned;
    log::warn("{}: putting right what it changed; trying again: {}", context.job.id,
              cleaned.error().message());
    context.job.data["left_behind"] = cleaned.error().message();
    TRY(catalog_.save_job(context.job));
    if (!clock_.sleep(retry_pause(policy, attempt + 1, random_), stop)) return cleaned;
  }
}

Result<> outcome(const Job& job) {
  if (job.state == JobState::succeeded) return {};
  const std::string left = text(job.data, "left_behind");
  if (job.state == JobState::cleaning && !left.empty()) {
    return error(job.error_code,
                 "{}; what it changed is not put right yet ({}): 'rekindle serve' and 'rekindle job resume' "
                 "try again",
                 job.error, left);
  }
  return Error(job.error_code, job.error.empty() ? "the job is not finished" : job.error);
}

}  // namespace rekindle
