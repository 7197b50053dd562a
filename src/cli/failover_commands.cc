// failover: the one button. job: what runs and ran.
#include <algorithm>

#include "cli/job_control.h"
#include "recover/failover.h"

namespace rekindle {

namespace {

struct FailoverInput {
  std::string plan;
  std::vector<std::string> machines;
  bool test = false;
  bool datacenter_is_down = false;
};

Result<std::vector<std::string>> machines_of(const DrPlan& plan, const std::vector<std::string>& wanted) {
  std::vector<std::string> all;
  for (const PlanMachine& machine : plan.machines) all.push_back(machine.machine);
  for (const std::string& machine : wanted) {
    if (std::find(all.begin(), all.end(), machine) == all.end()) {
      return error(ErrorCode::not_found, "the plan {} does not hold the machine '{}'; it holds: {}",
                   plan.name, machine, fmt::join(all, ", "));
    }
  }
  return wanted.empty() ? all : wanted;
}

Result<> fail_over(Session& session, Workplace& workplace, const FailoverRequest& request) {
  const Job job = TRY(perform_job(session, workplace, JobKind::failover, request.machine,
                                  parameters_of(request), Unfinished::cancel));
  if (session.output.json) session.output.record(job);
  TRY(outcome(job));
  Catalog* catalog = TRY(workplace.catalog());
  const auto failover = TRY(catalog->get<Failover>(id_by_job("failover", job.id)));
  session.output.say(fmt::format("{}: runs as {} ({}) since {}, with its data of {}.", request.machine,
                                 failover.instance_id, failover.private_ip, duration_of(job),
                                 to_iso8601(failover.recovery_point_time)));
  for (const StepTiming& timing : job.timings) {
    session.output.say(fmt::format("    {:<14} {:>8}", timing.step,
                                   human_duration(std::chrono::milliseconds(timing.milliseconds))));
  }
  return {};
}

void add_failover_start(CLI::App& noun, Session& session) {
  auto input = std::make_shared<FailoverInput>();
  CLI::App* verb =
      add_verb(noun, "start", "Start the machines of a plan in the account", session,
               [&session, input](Workplace& workplace) -> Result<> {
                 Catalog* catalog = TRY(workplace.catalog());
                 const auto plan = TRY(catalog->get<DrPlan>(input->plan));
                 const auto machines = TRY(machines_of(plan, input->machines));
                 Result<> first;
                 for (const std::string& machine : machines) {
                   FailoverRequest request{plan.name, machine,
                                           input->test ? FailoverKind::test : FailoverKind::production,
                                           input->datacenter_is_down};
                   Result<> result = fail_over(session, workplace, request);
                   if (!result.ok() && first.ok()) {
                     first = about_one_of(machines.size(), machine, std::move(result).error());
                   }
                 }
                 return first;
               });
  verb->add_option("plan", input->plan, "The DR plan")->required();
  verb->add_option("--machine", input->machines, "Only this machine; may be given many times");
  verb->add_flag("--datacenter-is-down", input->datacenter_is_down,
                 "Do not ask the datacenter whether the machines still run there");
  verb->add_flag("--test", input->test, "A test: the machines of the datacenter go on, protection too");
}

Result<> end_failover(Session& session, Workplace& workplace, const Failover& failover) {
  const Job job = TRY(perform_job(session, workplace, JobKind::failover_cleanup, failover.machine,
                                  {{"failover_id", failover.id}}, Unfinished::finish));
  if (session.output.json) session.output.record(job);
  TRY(outcome(job));
  session.output.say(
      fmt::format("{}: the instance {} and its volumes are gone.", failover.machine, failover.instance_id));
  return {};
}

// It runs, its instance could not be terminated yet, or the job that ends it was interrupted.
bool is_to_be_ended(const Failover& failover, const std::vector<Job>& unfinished,
                    const std::vector<LedgerEntry>& ledger) {
  return failover.state == FailoverState::running || holds_instance(failover, ledger) ||
         std::any_of(unfinished.begin(), unfinished.end(), [&](const Job& job) {
           return job.kind == JobKind::failover_cleanup &&
                  job.parameters.value("failover_id", std::string()) == failover.id;
         });
}

void add_failover_clean_up(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "clean-up", "End the failovers of a plan: terminate the instances", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             TRY(catalog->get<DrPlan>(*name));
             const auto failovers = TRY(catalog->list<Failover>());
             const auto unfinished = TRY(catalog->unfinished_jobs());
             const auto ledger = TRY(catalog->ledger());
             for (const Failover& failover : failovers) {
               if (failover.plan == *name && is_to_be_ended(failover, unfinished, ledger)) {
                 TRY(end_failover(session, workplace, failover), "{}", failover.machine);
               }
             }
             return {};
           })
      ->add_option("plan", *name, "The DR plan")
      ->required();
}

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
             const auto jobs = TRY(resume_all(session, workplace));
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

void add_failover_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("failover", "Machines started in the account");
  add_failover_start(*noun, session);
  add_list_verb<Failover>(*noun, session, "List the failovers",
                          {{"id", "FAILOVER"},
                           {"machine", "MACHINE"},
                           {"kind", "KIND"},
                           {"state", "STATE"},
                           {"instance_id", "INSTANCE"},
                           {"private_ip", "PRIVATE IP"},
                           {"public_ip", "PUBLIC IP"},
                           {"recovery_point_time", "DATA OF"}});
  add_failover_clean_up(*noun, session);
}

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
