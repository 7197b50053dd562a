#include "cli/job_control.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/log.h"
#include "cli/living_jobs.h"
#include "cli/progress_line.h"
#include "cli/step_lines.h"
#include "jobs/sweep.h"
#include "protect/backup.h"
#include "protect/instance_backup.h"
#include "protect/replicate.h"
#include "recover/failback.h"
#include "recover/failover.h"
#include "recover/plan_failover.h"

namespace rekindle {

namespace {
Result<Job> run_failover(Session& session, Workplace& workplace, const FailoverRequest& request,
                         std::stop_token stop);
Result<Job> run_instance_backup(Session& session, Workplace& workplace, const InstanceBackupRequest& request,
                                std::stop_token stop);
}  // namespace

JobProcedure procedure_of(JobKind kind, Session& session, Workplace& workplace) {
  switch (kind) {
    case JobKind::backup:
      return backup_procedure(workplace.sites(), workplace.vaults());
    case JobKind::replicate:
      return replicate_procedure(workplace.sites(), workplace.vaults());
    case JobKind::failover:
      return failover_procedure(
          {workplace.sites(), workplace.http(),
           [&workplace](const std::string& machine) { return workplace.power_at_datacenter(machine); }});
    case JobKind::failover_cleanup:
      return failover_cleanup_procedure(workplace.sites());
    case JobKind::plan_failover:
      return plan_failover_procedure(
          [&session, &workplace](const FailoverRequest& request, std::stop_token stop) {
            return run_failover(session, workplace, request, std::move(stop));
          },
          workplace.sites());
    case JobKind::instance_backup:
      return instance_backup_procedure(workplace.sites(), workplace.vaults());
    case JobKind::failback:
      return failback_procedure(
          {workplace.sites(), workplace.vaults(), workplace.http(),
           [&session, &workplace](const InstanceBackupRequest& request, std::stop_token stop) {
             return run_instance_backup(session, workplace, request, std::move(stop));
           }});
  }
  CHECK(false);
}

namespace {

// Failovers run side by side: a line each. Others have the terminal to themselves.
std::unique_ptr<JobObserver> observer_of(JobKind kind, Session& session, Workplace& workplace) {
  if (kind == JobKind::plan_failover) return std::make_unique<JobObserver>();
  if (kind == JobKind::failover || kind == JobKind::failback)
    return std::make_unique<StepLines>(session.output.json);
  return std::make_unique<ProgressLine>(workplace.clock(), session.output.json || session.shares_terminal);
}

}  // namespace

Result<Job> resume_job(Session& session, Workplace& workplace, const Job& job, std::stop_token stop) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto observer = observer_of(job.kind, session, workplace);
  JobRunner runner(*catalog, workplace.clock(), workplace.random(), *observer);
  return runner.resume(procedure_of(job.kind, session, workplace), job.id, std::move(stop));
}

namespace {

// Asks a living process to cancel its job, and waits until it has.
Result<> cancel_living(Workplace& workplace, const Job& job) {
  Catalog* catalog = TRY(workplace.catalog());
  TRY(catalog->request_cancel(job.id));
  for (int poll = 0; poll < 300;) {
    const Job now = TRY(catalog->job(job.id));
    if (is_over(now.state) || !owner_lives(now.owner)) return {};
    if (now.state != JobState::cleaning) ++poll;  // putting right may take its minutes
    workplace.clock().sleep(std::chrono::milliseconds(100));
  }
  return error(ErrorCode::unavailable, "{} {} does not end; stop its process ({})", word(job.kind), job.id,
               job.owner);
}

// Whether finishing the interrupted job was what the user asks for now: pressing the button again after a
// crash must not be refused because it worked.
bool serves(const Job& finished, JobKind kind, const nlohmann::json& parameters) {
  return finished.state == JobState::succeeded && finished.kind == kind &&
         finished.parameters == parameters &&
         (kind == JobKind::failover || kind == JobKind::failover_cleanup || kind == JobKind::plan_failover ||
          kind == JobKind::failback);
}

// What a disaster does not wait for, either.
bool is_test_failover(const Job& job) {
  return (job.kind == JobKind::failover || job.kind == JobKind::plan_failover) &&
         job.parameters.value("kind", FailoverKind::production) == FailoverKind::test;
}

// Returns the interrupted job that did, when finished, what is wanted.
Result<std::optional<Job>> clear_the_way(Session& session, Workplace& workplace, JobKind kind,
                                         const std::string& subject, const nlohmann::json& parameters,
                                         Unfinished unfinished) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto jobs = TRY(catalog->unfinished_jobs());
  for (const Job& job : jobs) {
    if (job.subject != subject || side_of(job.kind) != side_of(kind)) continue;
    std::stop_source cancelled;
    if (unfinished == Unfinished::cancel && is_test_failover(job) && owner_lives(job.owner))
      TRY(cancel_living(workplace, job));
    if (unfinished != Unfinished::finish && job.kind == JobKind::replicate) {
      if (owner_lives(job.owner)) {
        TRY(unfinished == Unfinished::wait
                ? wait_for_living(session.output, *catalog, workplace.clock(), job, session.interrupted)
                : cancel_living(workplace, job));
      }
      cancelled.request_stop();
    }
    // Nobody wants a failover of yesterday any more, but the one who asks for it again.
    const bool starts_machines = job.kind == JobKind::failover || job.kind == JobKind::plan_failover;
    if (starts_machines && (kind != job.kind || parameters != job.parameters)) cancelled.request_stop();
    const Job now = TRY(catalog->job(job.id));
    if (is_over(now.state) || owner_lives(now.owner)) continue;  // create_job refuses with the reason
    session.output.say(
        fmt::format("Finishing {} {} of {}, which was interrupted.", word(job.kind), job.id, subject));
    const Job finished = TRY(resume_job(
        session, workplace, job, cancelled.stop_requested() ? cancelled.get_token() : session.interrupted));
    if (serves(finished, kind, parameters)) return std::optional(finished);
    if (finished.state != JobState::succeeded) log::info("{} ended: {}", finished.id, finished.error);
  }
  return std::optional<Job>();
}

}  // namespace

Result<Job> perform_job(Session& session, Workplace& workplace, JobKind kind, const std::string& subject,
                        nlohmann::json parameters, Unfinished unfinished) {
  Catalog* catalog = TRY(workplace.catalog());
  auto served = TRY(clear_the_way(session, workplace, kind, subject, parameters, unfinished));
  if (served) return *std::move(served);
  const auto observer = observer_of(kind, session, workplace);
  JobRunner runner(*catalog, workplace.clock(), workplace.random(), *observer);
  return runner.start(procedure_of(kind, session, workplace), subject, std::move(parameters),
                      session.interrupted);
}

namespace {

// One machine of a plan: its job of this run if there was one, whatever came of it; else a new one, after
// what was interrupted and is not of this run was cleared away.
Result<Job> run_failover(Session& session, Workplace& workplace, const FailoverRequest& request,
                         std::stop_token stop) {
  Catalog* catalog = TRY(workplace.catalog());
  const nlohmann::json parameters = parameters_of(request);
  const auto jobs = TRY(catalog->jobs_of(request.machine));
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    if (job->kind != JobKind::failover || job->parameters != parameters) continue;
    return is_over(job->state) ? Result<Job>(*job) : resume_job(session, workplace, *job, std::move(stop));
  }
  Session own = session;
  own.interrupted = std::move(stop);
  return perform_job(own, workplace, JobKind::failover, request.machine, parameters,
                     unfinished_for(request.kind));
}

// A backup of the instance that a schedule or a person began is no reason to give the way home up. It is not
// taken for the pass: its snapshot may be older than the stop of the instance.
Result<> wait_for_living_backup(Workplace& workplace, const std::string& machine,
                                const std::stop_token& stop) {
  Catalog* catalog = TRY(workplace.catalog());
  return wait_while_one_lives(
      *catalog, workplace.clock(),
      [&](const Job& job) {
        return job.subject == machine && side_of(job.kind) == side_of(JobKind::instance_backup);
      },
      stop);
}

// A pass of a failback, which has the terminal.
Result<Job> run_instance_backup(Session& session, Workplace& workplace, const InstanceBackupRequest& request,
                                std::stop_token stop) {
  TRY(wait_for_living_backup(workplace, request.machine, stop));
  Session own = session;
  own.output.json = true;
  own.interrupted = std::move(stop);
  return perform_job(own, workplace, JobKind::instance_backup, request.machine, parameters_of(request),
                     Unfinished::finish);
}

}  // namespace

bool may_go_on_unasked(JobKind kind) {
  return kind != JobKind::failover && kind != JobKind::plan_failover;
}

bool is_part_of_another(const Job& job, const std::vector<Job>& unfinished) {
  return job.kind == JobKind::instance_backup &&
         std::any_of(unfinished.begin(), unfinished.end(), [&](const Job& other) {
           return other.kind == JobKind::failback && other.subject == job.subject;
         });
}

Result<std::vector<Job>> resume_all(Session& session, Workplace& workplace, Resume which) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto jobs = TRY(catalog->unfinished_jobs());
  std::vector<Job> finished;
  Result<> first;
  for (const Job& job : jobs) {
    if (which == Resume::unasked && !may_go_on_unasked(job.kind)) continue;
    // A plan's failover may have finished those of its machines meanwhile.
    const Job now = TRY(catalog->job(job.id));
    if (is_over(now.state) || owner_lives(now.owner)) continue;
    Result<Job> resumed = resume_job(session, workplace, now, session.interrupted);
    if (resumed.ok()) {
      finished.push_back(*resumed);
    } else if (first.ok()) {
      first = std::move(resumed).error().context("{} {} of {}", word(now.kind), now.id, now.subject);
    }
  }
  TRY(sweep_finished_jobs(*catalog, workplace.sites(), workplace.clock(), ""));
  if (!first.ok()) return first.error();
  return finished;
}

Result<> cancel_job(Session& session, Workplace& workplace, const Job& job) {
  Catalog* catalog = TRY(workplace.catalog());
  if (owner_lives(job.owner)) TRY(cancel_living(workplace, job));
  const Job now = TRY(catalog->job(job.id));
  if (is_over(now.state)) return {};
  std::stop_source cancelled;
  cancelled.request_stop();
  TRY(resume_job(session, workplace, now, cancelled.get_token()));
  return {};
}

Result<> cancel_unfinished(Session& session, Workplace& workplace, JobKind kind, const std::string& subject) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto jobs = TRY(catalog->unfinished_jobs());
  for (const Job& job : jobs) {
    if (job.kind == kind && job.subject == subject) TRY(cancel_job(session, workplace, job));
  }
  return {};
}

Error about_one_of(std::size_t machines, const std::string& machine, Error why) {
  return machines == 1 ? why : std::move(why).context("{}", machine);
}

std::string duration_of(const Job& job) {
  return human_duration(std::chrono::duration_cast<std::chrono::milliseconds>(job.updated - job.created));
}

}  // namespace rekindle
