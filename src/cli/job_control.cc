#include "cli/job_control.h"

#include <optional>

#include "base/log.h"
#include "cli/progress_line.h"
#include "jobs/sweep.h"
#include "protect/backup.h"
#include "protect/replicate.h"
#include "recover/failover.h"

namespace rekindle {

JobProcedure procedure_of(JobKind kind, Workplace& workplace) {
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
  }
  CHECK(false);
}

namespace {

Result<Job> resume_job(Session& session, Workplace& workplace, const Job& job, std::stop_token stop) {
  Catalog* catalog = TRY(workplace.catalog());
  ProgressLine line(workplace.clock(), session.output.json);
  JobRunner runner(*catalog, workplace.clock(), workplace.random(), line);
  return runner.resume(procedure_of(job.kind, workplace), job.id, std::move(stop));
}

// Asks a living process to cancel its job, and waits until it has.
Result<> cancel_living(Workplace& workplace, const Job& job) {
  Catalog* catalog = TRY(workplace.catalog());
  TRY(catalog->request_cancel(job.id));
  for (int poll = 0; poll < 300; ++poll) {
    const Job now = TRY(catalog->job(job.id));
    if (is_over(now.state) || !owner_lives(now.owner)) return {};
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
         (kind == JobKind::failover || kind == JobKind::failover_cleanup);
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
    if (unfinished == Unfinished::cancel && job.kind == JobKind::replicate) {
      if (owner_lives(job.owner)) TRY(cancel_living(workplace, job));
      cancelled.request_stop();
    }
    // Nobody wants a failover of yesterday any more, but the one who asks for it again.
    if (job.kind == JobKind::failover && (kind != job.kind || parameters != job.parameters))
      cancelled.request_stop();
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
  ProgressLine line(workplace.clock(), session.output.json);
  JobRunner runner(*catalog, workplace.clock(), workplace.random(), line);
  return runner.start(procedure_of(kind, workplace), subject, std::move(parameters), session.interrupted);
}

Result<std::vector<Job>> resume_all(Session& session, Workplace& workplace) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto jobs = TRY(catalog->unfinished_jobs());
  std::vector<Job> finished;
  for (const Job& job : jobs) {
    if (owner_lives(job.owner)) continue;
    finished.push_back(TRY(resume_job(session, workplace, job, session.interrupted)));
  }
  TRY(sweep_finished_jobs(*catalog, workplace.sites(), workplace.clock(), ""));
  return finished;
}

Error about_one_of(std::size_t machines, const std::string& machine, Error why) {
  return machines == 1 ? why : std::move(why).context("{}", machine);
}

std::string duration_of(const Job& job) {
  return human_duration(std::chrono::duration_cast<std::chrono::milliseconds>(job.updated - job.created));
}

}  // namespace rekindle
