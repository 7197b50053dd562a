// failover: the one button.
#include <algorithm>
#include <mutex>
#include <optional>

#include "base/parallel.h"
#include "cli/job_control.h"
#include "jobs/sweep.h"
#include "model/test_expiry.h"
#include "protect/held_instance.h"
#include "protect/replicate.h"
#include "recover/plan_failover.h"
#include "recover/running_tests.h"

namespace rekindle {

namespace {

struct FailoverInput {
  std::string plan;
  std::vector<std::string> machines;
  std::string as_of;
  std::string expires_after;  // of a test; empty: as the plan says
  bool test = false;
  bool datacenter_is_down = false;
};

FailoverKind kind_of(const FailoverInput& input) {
  return input.test ? FailoverKind::test : FailoverKind::production;
}

Result<bool> runs(Catalog& catalog, const std::string& machine, const FailoverInput& input) {
  const auto running = TRY(running_failover(catalog, input.plan, machine, kind_of(input)));
  return running.has_value();
}

// Those that are asked for, or all; without those that run already, unless all of them do: then either the
// steps of the run before are taken up, or it is refused with the reason.
Result<std::vector<std::string>> machines_to_start(Catalog& catalog, const DrPlan& plan,
                                                   const FailoverInput& input) {
  std::vector<std::string> wanted = input.machines;
  if (wanted.empty()) {
    for (const PlanMachine& machine : plan.machines) wanted.push_back(machine.machine);
  }
  std::vector<std::string> not_running;
  for (const std::string& machine : wanted) {
    TRY(find_machine(plan, machine));
    if (!TRY(runs(catalog, machine, input))) not_running.push_back(machine);
  }
  return not_running.empty() ? wanted : not_running;
}

// The newest recovery point that is not after `as_of`.
Result<RecoveryPoint> point_as_of(Catalog& catalog, const std::string& machine, Time as_of) {
  const auto points = TRY(catalog.list<RecoveryPoint>(machine));
  const RecoveryPoint* found = nullptr;
  for (const RecoveryPoint& point : points) {
    if (point.time <= as_of && (found == nullptr || point.time > found->time)) found = &point;
  }
  if (found != nullptr) return *found;
  return error(ErrorCode::not_found,
               "{} has no recovery point of {} or before; list them with 'rekindle backup "
               "list'",
               machine, to_iso8601(as_of));
}

// DR copies aside, of the points at that time.
Result<std::map<std::string, std::string>> make_copies(Session& session, Workplace& workplace,
                                                       const DrPlan& plan,
                                                       const std::vector<std::string>& machines, Time as_of,
                                                       Unfinished unfinished) {
  constexpr std::size_t most_at_once = 8;
  Catalog* catalog = TRY(workplace.catalog());
  Session of_jobs = session;
  of_jobs.shares_terminal = machines.size() > 1;
  std::mutex mutex;
  std::map<std::string, std::string> copies;
  TRY(parallel_for(machines.size(), most_at_once, session.interrupted, [&](std::size_t i) -> Result<> {
    const std::string& machine = machines[i];
    const RecoveryPoint point = TRY(point_as_of(*catalog, machine, as_of), "{}", machine);
    const ReplicateRequest request{plan.name, machine, point.id.str()};
    const Job job =
        TRY(perform_job(of_jobs, workplace, JobKind::replicate, machine, parameters_of(request), unfinished),
            "{}", machine);
    TRY(outcome(job), "{}", machine);
    const auto copy = job.data.at("copy").get<DrCopy>();
    const std::lock_guard lock(mutex);
    copies[machine] = copy.id;
    session.output.say(fmt::format("{}: a DR copy of {} in {}.", machine,
                                   to_iso8601(copy.recovery_point_time), duration_of(job)));
    return {};
  }));
  return copies;
}

std::string seconds_since(Time begin, const nlohmann::json& then) {
  return human_duration(then.get<Time>() - begin);
}

// When each machine was launched and when it answered, from the click on.
void tell(Session& session, const Job& job) {
  const auto machines = job.data.value("machines", nlohmann::json::object());
  for (const auto& [machine, record] : machines.items()) {
    if (!record.contains("instance_id")) continue;
    if (text(record, "state") != word(JobState::succeeded)) continue;
    if (record.contains("ran_before")) {
      session.output.say(fmt::format("{}: runs since before as {} ({}).", machine,
                                     text(record, "instance_id"), text(record, "private_ip")));
      continue;
    }
    session.output.say(fmt::format("{}: runs as {} ({}); launched after {}, answered after {}.", machine,
                                   text(record, "instance_id"), text(record, "private_ip"),
                                   seconds_since(job.created, record.at("launched")),
                                   seconds_since(job.created, record.at("finished"))));
  }
}

// What the user said, by which a run is known again when the button is pressed a second time.
nlohmann::json asked_for(const FailoverInput& input) {
  nlohmann::json asked = {{"machines", input.machines}, {"as_of", input.as_of}};
  if (!input.expires_after.empty()) asked["expires_after"] = input.expires_after;
  return asked;
}

// Time(): never.
Result<Time> expiry_of(const FailoverInput& input, const DrPlan& plan, Time now) {
  if (!input.test) return Time();
  std::chrono::minutes after = plan.test_expires_after;
  if (!input.expires_after.empty()) after = TRY(parse_test_expiry(input.expires_after), "--expires-after");
  return after == std::chrono::minutes(0) ? Time() : now + after;
}

// The run that was interrupted, and is asked for again; not a test whose time is over.
Result<std::optional<Job>> interrupted_run(Catalog& catalog, const FailoverInput& input, Time now) {
  const auto jobs = TRY(catalog.jobs_of(plan_subject(input.plan)));
  if (jobs.empty() || is_over(jobs.back().state) || owner_lives(jobs.back().owner))
    return std::optional<Job>();
  const nlohmann::json& parameters = jobs.back().parameters;
  const bool same = parameters.value("asked", nlohmann::json()) == asked_for(input) &&
                    parameters.value("kind", FailoverKind::production) == kind_of(input);
  return same && !is_expired_test(jobs.back(), now) ? std::optional(jobs.back()) : std::nullopt;
}

// The run before ended in the middle of its steps, at a script or by a cancel, and not at a machine.
bool left_steps_undone(const Job& run) {
  if (!is_over(run.state) || run.state == JobState::succeeded) return false;
  const auto machines = run.data.value("machines", nlohmann::json::object());
  const bool all_started = std::all_of(machines.begin(), machines.end(), [](const nlohmann::json& record) {
    return text(record, "state") == word(JobState::succeeded);
  });
  return all_started && !machines.empty();
}

// Asked for in the same words as the run before, of which all machines run and some steps are undone.
Result<bool> takes_up_steps(Catalog& catalog, const FailoverInput& input,
                            const std::vector<std::string>& machines) {
  const auto jobs = TRY(catalog.jobs_of(plan_subject(input.plan)));
  if (jobs.empty() || !left_steps_undone(jobs.back())) return false;
  const nlohmann::json& parameters = jobs.back().parameters;
  if (parameters.value("kind", FailoverKind::production) != kind_of(input)) return false;
  if (parameters.value("asked", nlohmann::json()) != asked_for(input)) return false;
  for (const std::string& machine : machines) {
    if (!TRY(runs(catalog, machine, input))) return false;
  }
  return true;
}

Result<Job> perform_run(Session& session, Workplace& workplace, const FailoverInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto plan = TRY(catalog->get<DrPlan>(input.plan));
  const auto interrupted = TRY(interrupted_run(*catalog, input, workplace.clock().now()));
  if (interrupted) {
    session.output.say(fmt::format("Going on with {}, which was interrupted.", interrupted->id));
    return resume_job(session, workplace, *interrupted, session.interrupted);
  }
  PlanFailoverRequest request;
  request.plan = plan.name;
  request.kind = kind_of(input);
  request.datacenter_is_down = input.datacenter_is_down;
  request.machines = TRY(machines_to_start(*catalog, plan, input));
  request.asked = asked_for(input);
  request.takes_up_steps = TRY(takes_up_steps(*catalog, input, request.machines));
  if (!request.takes_up_steps) request.expires = TRY(expiry_of(input, plan, workplace.clock().now()));
  const Unfinished way = unfinished_for(request.kind);
  if (!input.as_of.empty() && !request.takes_up_steps) {
    const Time as_of = TRY(from_iso8601(input.as_of), "--as-of");
    request.dr_copy_ids = TRY(make_copies(session, workplace, plan, request.machines, as_of, way));
  }
  return perform_job(session, workplace, JobKind::plan_failover, plan_subject(plan.name),
                     parameters_of(request), way);
}

Result<> fail_over(Session& session, Workplace& workplace, const FailoverInput& input) {
  const Job job = TRY(perform_run(session, workplace, input));
  if (session.output.json) session.output.record(job);
  tell(session, job);
  if (job.parameters.contains("expires") && job.state == JobState::succeeded) {
    session.output.say(fmt::format("The test expires at {}: 'rekindle serve' ends it then.",
                                   text(job.parameters, "expires")));
  }
  if (left_steps_undone(job)) {
    session.output.say(
        "What was started runs. The same command goes on with the rest, and runs the scripts again.");
  }
  return outcome(job);
}

void add_failover_start(CLI::App& noun, Session& session) {
  auto input = std::make_shared<FailoverInput>();
  CLI::App* verb =
      add_verb(noun, "start", "Start the machines of a plan in the account, as its steps say", session,
               [&session, input](Workplace& workplace) { return fail_over(session, workplace, *input); });
  verb->add_option("plan", input->plan, "The DR plan")->required();
  verb->add_option("--machine", input->machines, "Only this machine; may be given many times");
  verb->add_option(
      "--as-of", input->as_of,
      "From the recovery points of that time, 2026-11-26T02:30:00Z, instead of the DR copies: slower");
  verb->add_flag("--datacenter-is-down", input->datacenter_is_down,
                 "Do not ask the datacenter whether the machines still run there");
  CLI::Option* test =
      verb->add_flag("--test", input->test, "A test: the machines of the datacenter go on, protection too");
  verb->add_option("--expires-after", input->expires_after,
                   "When 'rekindle serve' ends the test, if nobody did: 90m, 8h, 3d, never; else as the plan "
                   "says")
      ->needs(test);
}

Result<Job> unfinished_run(Catalog& catalog, const std::string& plan) {
  const auto jobs = TRY(catalog.jobs_of(plan_subject(plan)));
  if (!jobs.empty() && !is_over(jobs.back().state)) return jobs.back();
  return error(ErrorCode::failed_precondition, "no failover of the plan {} is under way", plan);
}

void add_failover_approve(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "approve", "Let the step go on that waits for an approval", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             TRY(catalog->get<DrPlan>(*name));
             const Job job = TRY(unfinished_run(*catalog, *name));
             const auto steps = job.data.value("steps", nlohmann::json::object());
             for (const auto& [step, state] : steps.items()) {
               if (text(state, "state") != "waits for an approval") continue;
               TRY(catalog->put(Approval{approval_id(job.id, step), workplace.clock().now()}));
               session.output.say(fmt::format("Step '{}' of {} goes on.", step, *name));
               return {};
             }
             return error(ErrorCode::failed_precondition, "no step of the plan {} waits for an approval",
                          *name);
           })
      ->add_option("plan", *name, "The DR plan")
      ->required();
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

// Those of its machines that a crash, or another process, left unfinished: there may be an instance that no
// failover was recorded of, and nothing else is done for the machine until its job has ended.
Result<> cancel_machines_of(Session& session, Workplace& workplace, const std::string& plan) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto jobs = TRY(catalog->unfinished_jobs());
  for (const Job& job : jobs) {
    if (job.kind != JobKind::failover || text(job.parameters, "plan") != plan) continue;
    TRY(cancel_unfinished(session, workplace, JobKind::failover, job.subject), "{}", job.subject);
    session.output.say(
        fmt::format("{}: its failover {}, which was under way, is ended.", job.subject, job.id));
  }
  return {};
}

void add_failover_clean_up(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "clean-up", "End the failovers of a plan: terminate the instances", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto plan = TRY(catalog->get<DrPlan>(*name));
             // Else it would go on with its next steps.
             TRY(cancel_unfinished(session, workplace, JobKind::plan_failover, plan_subject(*name)));
             TRY(cancel_machines_of(session, workplace, *name));
             const auto failovers = TRY(catalog->list<Failover>());
             const auto unfinished = TRY(catalog->unfinished_jobs());
             const auto ledger = TRY(catalog->ledger());
             for (const Failover& failover : failovers) {
               if (failover.plan == *name && is_to_be_ended(failover, unfinished, ledger)) {
                 TRY(end_failover(session, workplace, failover), "{}", failover.machine);
               }
             }
             // And what failovers that failed could not remove.
             TRY(sweep_finished_jobs(*catalog, workplace.sites(), workplace.clock(), plan.account));
             return {};
           })
      ->add_option("plan", *name, "The DR plan")
      ->required();
}

}  // namespace

void add_failover_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("failover", "Machines started in the account");
  add_failover_start(*noun, session);
  add_failover_approve(*noun, session);
  add_failover_list_verbs(*noun, session);
  add_failover_clean_up(*noun, session);
}

}  // namespace rekindle
