// failback: the machines come home.
#include <algorithm>
#include <map>
#include <optional>

#include "base/log.h"
#include "base/parallel.h"
#include "cli/findings.h"
#include "cli/job_control.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/failback.h"
#include "recover/failback_check.h"
#include "recover/left_running.h"

namespace rekindle {

namespace {

struct FailbackInput {
  std::string plan;
  std::vector<std::string> machines;
  std::string to = "automatic";
  bool test = false;
  bool ask = false;
  bool as_it_is = false;
};

ComeHomeTo destination_of(const FailbackInput& input) {
  return nlohmann::json(input.to).get<ComeHomeTo>();
}

// Of both verbs that bring machines home or ask whether they could.
void add_choice(CLI::App& verb, FailbackInput& input, const char* of_test) {
  verb.add_option("plan", input.plan, "The DR plan")->required();
  verb.add_option("--machine", input.machines, "Only this machine; may be given many times");
  verb.add_option("--to", input.to, "The VM of before if it is there, that VM, or a new one beside it")
      ->check(CLI::IsMember({"automatic", "original", "new"}))
      ->capture_default_str();
  verb.add_flag("--test", input.test, of_test);
}

void add_plan_verb(CLI::App& noun, Session& session) {
  auto input = std::make_shared<FailbackInput>();
  CLI::App* verb = add_verb(
      noun, "plan", "Whether the machines could come home now, to where, and for how long they would be away",
      session, [&session, input](Workplace& workplace) -> Result<> {
        Catalog* catalog = TRY(workplace.catalog());
        const auto plan = TRY(catalog->get<DrPlan>(input->plan));
        const FailbackCheckParts parts{*catalog, workplace.sites(), workplace.vaults(), workplace.clock()};
        const Preflight found =
            TRY(check_failback(parts, plan, input->machines, destination_of(*input), input->test));
        print_findings(session, found);
        if (found.light != Light::red) return {};
        return error(ErrorCode::failed_precondition,
                     "not all machines of {} could come home now; see what is red", plan.name);
      });
  add_choice(*verb, *input, "Of a rehearsal");
}

// A production failback that was interrupted is not gone on with by who asks for a rehearsal, nor the other
// way round.
Result<> refuse_to_finish_another(Catalog& catalog, const std::string& machine, bool test) {
  const auto jobs = TRY(catalog.unfinished_jobs());
  for (const Job& job : jobs) {
    const bool another = job.kind == JobKind::failback && job.subject == machine &&
                         job.state == JobState::running && job.parameters.value("test", false) != test;
    if (!another) continue;
    return error(
        ErrorCode::failed_precondition,
        "a {} of {} was interrupted: finish it with 'rekindle failback start {}{}', or give it up with "
        "'rekindle failback cancel'",
        test ? "failback" : "rehearsal", machine, text(job.parameters, "plan"), test ? "" : " --test");
  }
  return {};
}

Result<Job> come_home(Session& session, Workplace& workplace, const FailbackInput& input,
                      const Failover& failover) {
  Catalog* catalog = TRY(workplace.catalog());
  TRY(refuse_to_finish_another(*catalog, failover.machine, input.test));
  FailbackRequest request;
  request.plan = input.plan;
  request.machine = failover.machine;
  request.failover_id = failover.id;
  request.to = destination_of(input);
  request.test = input.test;
  request.ask = input.ask;
  request.as_it_is = input.as_it_is;
  return perform_job(session, workplace, JobKind::failback, failover.machine, parameters_of(request),
                     Unfinished::finish);
}

// What became of the conversion for the account.
void tell_undone(Session& session, const std::string& machine, const nlohmann::json& pass) {
  const nlohmann::json undone = pass.value("undone", nlohmann::json());
  if (!undone.is_object()) return;
  const std::string not_undone = text(undone, "not_undone");
  if (!not_undone.empty())
    session.output.say(
        fmt::format("{}: its conversion for the account is not undone: {}", machine, not_undone));
  for (const auto& file : undone.value("left", nlohmann::json::array())) {
    session.output.say(fmt::format("{}: the guest changed it in the account, so that it is left as it is: {}",
                                   machine, file.is_string() ? file.get<std::string>() : file.dump()));
  }
  for (const auto& warning : undone.value("warnings", nlohmann::json::array()))
    session.output.say(
        fmt::format("{}: {}", machine, warning.is_string() ? warning.get<std::string>() : warning.dump()));
}

void tell(Session& session, const Job& job) {
  const std::string machine = job.subject;
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  const auto passes = job.data.value("passes", nlohmann::json::array());
  for (const auto& pass : passes) {
    read += pass.value("bytes_read", std::uint64_t{0});
    written += pass.value("bytes_written", std::uint64_t{0});
  }
  const auto ms = [&](const char* key) {
    return human_duration(std::chrono::milliseconds(job.data.value(key, std::int64_t{0})));
  };
  if (!passes.empty()) tell_undone(session, machine, passes.back());
  const std::string moved = fmt::format("{} passes: {} read from the account, {} written at home",
                                        passes.size(), human_bytes(read), human_bytes(written));
  if (job.parameters.value("test", false)) {
    session.output.say(
        fmt::format("{}: the rehearsal runs as {} in its isolated network; {}. End it with 'rekindle "
                    "failback clean-up {}'.",
                    machine, text(job.data, "machine_id"), moved, text(job.parameters, "plan")));
    return;
  }
  session.output.say(fmt::format("{}: is at home; away for {} (forecast {}); {}.", machine, ms("downtime_ms"),
                                 ms("forecast_ms"), moved));
  if (const std::string left = left_running(job); !left.empty())
    session.output.say(fmt::format("{}: {}.", machine, left));
}

// Those of one step of the plan's workflow, side by side.
Result<> bring_step_home(Session& session, Workplace& workplace, const FailbackInput& input,
                         const std::vector<Failover>& failovers) {
  constexpr std::size_t most_at_once = 4;
  const auto results = try_all(failovers.size(), most_at_once, [&](std::size_t i) -> Result<> {
    const Job job = TRY(come_home(session, workplace, input, failovers[i]));
    if (session.output.json) session.output.record(job);
    TRY(outcome(job));
    tell(session, job);
    return {};
  });
  for (std::size_t i = 0; i < failovers.size(); ++i) {
    if (!results[i].ok()) return about_one_of(failovers.size(), failovers[i].machine, results[i].error());
  }
  return {};
}

Result<std::vector<Job>> unfinished_failbacks(Catalog& catalog, const std::string& plan) {
  auto jobs = TRY(catalog.unfinished_jobs());
  std::erase_if(jobs, [&](const Job& job) {
    return job.kind != JobKind::failback || text(job.parameters, "plan") != plan;
  });
  return jobs;
}

// What a crash interrupted of that which is asked for goes on where it was. Returns how many came home by it.
Result<std::size_t> finish_interrupted(Session& session, Workplace& workplace, const FailbackInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto jobs = TRY(unfinished_failbacks(*catalog, input.plan));
  std::size_t finished = 0;
  for (const Job& job : jobs) {
    if (!is_chosen(input.machines, job.subject) || job.parameters.value("test", false) != input.test)
      continue;
    if (owner_lives(job.owner)) continue;  // refused when its machine's turn comes
    session.output.say(fmt::format("Finishing the failback of {}, which was interrupted.", job.subject));
    const Job over = TRY(resume_job(session, workplace, job, session.interrupted));
    if (over.state != JobState::succeeded) continue;
    if (session.output.json) session.output.record(over);
    tell(session, over);
    ++finished;
  }
  return finished;
}

Result<> start(Session& session, Workplace& workplace, const FailbackInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto plan = TRY(catalog->get<DrPlan>(input.plan));
  const std::size_t finished = TRY(finish_interrupted(session, workplace, input));
  const auto found = machines_away(*catalog, plan, input.machines);
  if (!found.ok()) return finished > 0 ? Result<>() : found.error();
  const auto& failovers = *found;
  const auto steps = steps_of(plan);
  for (const PlanStep& step : steps) {
    std::vector<Failover> of_step;
    for (const std::string& machine : step.machines) {
      const auto one = failovers.find(machine);
      if (one != failovers.end()) of_step.push_back(one->second);
    }
    TRY(bring_step_home(session, workplace, input, of_step));
  }
  return {};
}

void add_start_verb(CLI::App& noun, Session& session) {
  auto input = std::make_shared<FailbackInput>();
  CLI::App* verb = add_verb(
      noun, "start", "Bring the machines of a plan home with all changes, in the order of its steps", session,
      [&session, input](Workplace& workplace) { return start(session, workplace, *input); });
  add_choice(*verb, *input, "A rehearsal: a new VM in the plan's test network; the instance goes on running");
  verb->add_flag(
      "--ask", input->ask,
      "Wait for 'rekindle failback approve' before the service goes away; copying goes on meanwhile");
  verb->add_flag("--as-it-is", input->as_it_is,
                 "Bring machines home also where the conversion for the account could not be undone");
}

void add_approve_verb(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "approve", "Let the failbacks go on that wait to stop their instances", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             TRY(catalog->get<DrPlan>(*name));
             const auto jobs = TRY(unfinished_failbacks(*catalog, *name));
             bool any = false;
             for (const Job& job : jobs) {
               if (job.state != JobState::running || !job.data.value("waits", false)) continue;
               TRY(catalog->put(Approval{approval_id(job.id, failback_approval), workplace.clock().now()}));
               session.output.say(fmt::format("{}: goes on.", job.subject));
               any = true;
             }
             if (any) return {};
             return error(ErrorCode::failed_precondition, "no failback of the plan {} waits for an approval",
                          *name);
           })
      ->add_option("plan", *name, "The DR plan")
      ->required();
}

std::string state_of(const Job& job) {
  if (job.state == JobState::running && job.data.value("waits", false)) return "waits for an approval";
  if (job.state == JobState::cleaning && job.data.contains("left_behind")) return "NOT PUT RIGHT YET";
  return word(job.state);
}

std::string error_of(const Job& job) {
  if (job.state == JobState::succeeded) return left_running(job);
  if (job.state == JobState::running) return job.error;
  return job.state == JobState::cleaning ? outcome(job).error().message() : job.error;
}

nlohmann::json status_of(const Job& job) {
  const auto passes = job.data.value("passes", nlohmann::json::array());
  std::uint64_t written = 0;
  for (const auto& pass : passes) written += pass.value("bytes_written", std::uint64_t{0});
  const auto seconds = [&](const char* key) -> nlohmann::json {
    if (!job.data.contains(key)) return "";
    return human_duration(std::chrono::milliseconds(job.data.at(key).get<std::int64_t>()));
  };
  return {{"machine", job.subject},
          {"job", job.id},
          {"kind", job.parameters.value("test", false) ? "rehearsal" : "production"},
          {"state", state_of(job)},
          {"step", is_over(job.state) ? "" : job.step},
          {"passes", passes.size()},
          {"written", human_bytes(written)},
          {"forecast", seconds("forecast_ms")},
          {"downtime", seconds("downtime_ms")},
          {"error", error_of(job)}};
}

// The newest of each machine.
void add_status_verb(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "status", "What became of the failbacks of a plan", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto plan = TRY(catalog->get<DrPlan>(*name));
             std::vector<nlohmann::json> rows;
             for (const PlanMachine& machine : plan.machines) {
               const auto jobs = TRY(catalog->jobs_of(machine.machine));
               const auto newest = std::find_if(jobs.rbegin(), jobs.rend(),
                                                [](const Job& job) { return job.kind == JobKind::failback; });
               if (newest != jobs.rend()) rows.push_back(status_of(*newest));
             }
             session.output.records(rows, {{"machine", "MACHINE"},
                                           {"kind", "KIND"},
                                           {"state", "STATE"},
                                           {"step", "STEP"},
                                           {"passes", "PASSES"},
                                           {"written", "WRITTEN"},
                                           {"forecast", "FORECAST"},
                                           {"downtime", "AWAY FOR"},
                                           {"error", ""}});
             return {};
           })
      ->add_option("plan", *name, "The DR plan")
      ->required();
}

// Of the machine's failbacks of this failover the newest that is no rehearsal.
Result<std::optional<Job>> newest_failback(Catalog& catalog, const Failover& failover) {
  const auto jobs = TRY(catalog.jobs_of(failover.machine));
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    if (job->kind == JobKind::failback && text(job->parameters, "failover_id") == failover.id &&
        !job->parameters.value("test", false))
      return std::optional(*job);
  }
  return std::optional<Job>();
}

Result<> refuse_if_it_runs(Workplace& workplace, const std::string& machine, const std::string& datacenter,
                           const MachineId& id) {
  const auto site = workplace.sites().datacenter(datacenter);
  const auto found = site.ok() ? (*site)->machine(id) : Result<Machine>(site.error());
  if (found.ok() && found->power == PowerState::off) return {};
  if (found.ok()) {
    return error(ErrorCode::failed_precondition,
                 "{} runs at home (as {}, in {}); switch it off there before its instance is started again",
                 machine, found->name, datacenter);
  }
  if (site.ok() && found.error().code() == ErrorCode::not_found) return {};
  return error(ErrorCode::failed_precondition,
               "whether {} runs at home cannot be asked ({}); if you know that it does not, say "
               "--datacenter-is-down",
               machine, found.error().message());
}

// The instance that a failback stopped and did not start again: it may be started only where neither the VM
// that it came home to nor the VM of before runs. One that somebody stopped on purpose stays so.
Result<> go_on_in_account(Session& session, Workplace& workplace, const Failover& failover,
                          bool datacenter_is_down) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto job = TRY(newest_failback(*catalog, failover));
  const bool stopped_it = job && (job->state == JobState::failed || job->state == JobState::cancelled) &&
                          job->data.contains("down_since") && !job->data.value("instance_was_stopped", false);
  if (!stopped_it) return {};
  RecoveryTarget* site = TRY(workplace.sites().account(failover.account));
  const Instance instance = TRY(site->instance(failover.instance_id));
  if (instance.state != InstanceState::stopped) return {};
  if (!datacenter_is_down) {
    TRY(refuse_if_it_runs(workplace, failover.machine, text(job->data, "datacenter"),
                          MachineId(text(job->data, "machine_id"))));
    const auto known = TRY(catalog->get<ProtectedMachine>(failover.machine));
    TRY(refuse_if_it_runs(workplace, failover.machine, known.datacenter, known.id));
  }
  TRY(site->start(failover.instance_id));
  session.output.say(
      fmt::format("{}: its instance {} is started again.", failover.machine, failover.instance_id));
  return {};
}

// A job that cannot be put right yet stays, and is gone on with. That the VM at home still must be switched
// off is no reason to call it a failure: the machine lives in the account, as was asked.
Result<> give_up(Session& session, Workplace& workplace, const Job& job, bool datacenter_is_down) {
  Catalog* catalog = TRY(workplace.catalog());
  if (datacenter_is_down) {
    TRY(catalog->put(Approval{approval_id(job.id, failback_datacenter_is_down), workplace.clock().now()}));
  }
  TRY(cancel_unfinished(session, workplace, JobKind::failback, job.subject));
  const Job now = TRY(catalog->job(job.id));
  if (is_over(now.state)) return {};
  if (!now.data.contains("must_be_off")) return outcome(now);
  log::warn("{}: {}", job.subject, text(now.data, "left_behind"));
  return {};
}

Result<> cancel(Session& session, Workplace& workplace, const std::string& name, bool datacenter_is_down) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto plan = TRY(catalog->get<DrPlan>(name));
  const auto jobs = TRY(unfinished_failbacks(*catalog, plan.name));
  Result<> first;  // one that cannot be given up is no reason not to give the others up
  for (const Job& job : jobs) {
    Result<> given_up = give_up(session, workplace, job, datacenter_is_down);
    if (!given_up.ok() && first.ok()) first = about_one_of(jobs.size(), job.subject, given_up.error());
  }
  TRY(first);
  const auto failovers = machines_away(*catalog, plan, {});
  if (!failovers.ok() && !jobs.empty()) return {};  // all came home before they could be given up
  if (!failovers.ok()) return failovers.error();
  for (const auto& [machine, failover] : *failovers)
    TRY(go_on_in_account(session, workplace, failover, datacenter_is_down));
  return {};
}

void add_cancel_verb(CLI::App& noun, Session& session) {
  struct Input {
    std::string plan;
    bool datacenter_is_down = false;
  };
  auto input = std::make_shared<Input>();
  CLI::App* verb = add_verb(noun, "cancel", "Give a failback up: the machines go on in the account", session,
                            [&session, input](Workplace& workplace) {
                              return cancel(session, workplace, input->plan, input->datacenter_is_down);
                            });
  verb->add_option("plan", input->plan, "The DR plan")->required();
  verb->add_flag(
      "--datacenter-is-down", input->datacenter_is_down,
      "The datacenter is lost: start the instances although it cannot be asked whether the machines "
      "run there; a VM that may run is switched off as soon as it answers");
}

void add_clean_up_verb(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "clean-up", "Remove the VMs of a plan's rehearsals", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             TRY(catalog->get<DrPlan>(*name));
             const auto failovers = TRY(catalog->list<Failover>());
             for (const Failover& failover : failovers) {
               if (failover.plan == *name) TRY(catalog->release_uses("rehearsal:" + failover.id));
             }
             const int removed = TRY(sweep_finished_jobs(*catalog, workplace.sites(), workplace.clock(), ""));
             session.output.say(fmt::format("{} things are gone.", removed));
             return {};
           })
      ->add_option("plan", *name, "The DR plan")
      ->required();
}

}  // namespace

void add_failback_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("failback", "Machines that come home from the account");
  add_plan_verb(*noun, session);
  add_start_verb(*noun, session);
  add_approve_verb(*noun, session);
  add_status_verb(*noun, session);
  add_cancel_verb(*noun, session);
  add_clean_up_verb(*noun, session);
  add_failback_adopt_verb(*noun, session);
}

}  // namespace rekindle
