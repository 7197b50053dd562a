// job: what runs and ran.
#include "cli/job_control.h"

namespace rekindle {

namespace {

void add_job_show(CLI::App& noun, Session& session) {
  auto id = std::make_shared<std::string>();
  add_verb(noun, "show", "Show a job with its steps", session,
           [&session, id](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             session.output.record(TRY(catalog->job(JobId(*id))));
             return {};
           })
      ->add_option("job", *id, "Its id")
      ->required();
}

void add_job_cancel(CLI::App& noun, Session& session) {
  auto id = std::make_shared<std::string>();
  add_verb(noun, "cancel", "Cancel a job; what it made is removed", session,
           [&session, id](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             TRY(catalog->request_cancel(JobId(*id)));
             const Job job = TRY(catalog->job(JobId(*id)));
             session.output.say(owner_lives(job.owner)
                                    ? "The job is told to stop."
                                    : "Its process is gone; 'rekindle job resume' removes what it made.");
             return {};
           })
      ->add_option("job", *id, "Its id")
      ->required();
}

void add_job_ledger(CLI::App& noun, Session& session) {
  auto all = std::make_shared<bool>(false);
  add_verb(noun, "ledger", "List what was made at the sites, and who uses it", session,
           [&session, all](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto entries = TRY(catalog->ledger(*all));
             std::vector<nlohmann::json> bodies;
             for (const LedgerEntry& entry : entries) bodies.emplace_back(entry);
             session.output.records(bodies, {{"kind", "KIND"},
                                             {"site", "SITE"},
                                             {"object_id", "OBJECT"},
                                             {"state", "STATE"},
                                             {"in_use_by", "USED BY"},
                                             {"job_id", "MADE BY"}});
             return {};
           })
      ->add_flag("--all", *all, "Also what is gone again");
}

void add_job_resume(CLI::App& noun, Session& session) {
  add_verb(noun, "resume", "Finish, or clean up after, jobs whose process is gone", session,
           [&session](Workplace& workplace) -> Result<> {
             const auto jobs = TRY(resume_all(session, workplace, Resume::everything));
             std::vector<nlohmann::json> bodies;
             for (const Job& job : jobs) {
               bodies.emplace_back(job);
               session.output.say(fmt::format("{} {} of {}: {}{}", word(job.kind), job.id, job.subject,
                                              word(job.state), job.error.empty() ? "" : ": " + job.error));
             }
             if (session.output.json) session.output.records(bodies, {});
             if (jobs.empty()) session.output.say("No job was interrupted.");
             return {};
           });
}

}  // namespace

void add_job_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("job", "What runs and ran");
  add_verb(*noun, "list", "List the jobs", session, [&session](Workplace& workplace) -> Result<> {
    Catalog* catalog = TRY(workplace.catalog());
    const auto jobs = TRY(catalog->jobs());
    std::vector<nlohmann::json> bodies;
    for (const Job& job : jobs) bodies.emplace_back(job);
    session.output.records(bodies, {{"id", "JOB"},
                                    {"kind", "KIND"},
                                    {"subject", "MACHINE"},
                                    {"state", "STATE"},
                                    {"step", "STEP"},
                                    {"created", "CREATED"},
                                    {"error", "ERROR"}});
    return {};
  });
  add_job_show(*noun, session);
  add_job_cancel(*noun, session);
  add_job_resume(*noun, session);
  add_job_ledger(*noun, session);
}

}  // namespace rekindle
