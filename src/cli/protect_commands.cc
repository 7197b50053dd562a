// backup and replicate.
#include <algorithm>

#include "base/bytes.h"
#include "cli/job_control.h"
#include "cli/protect_work.h"
#include "cli/replicate_verify.h"
#include "jobs/sweep.h"
#include "protect/backup.h"
#include "protect/copy_records.h"
#include "protect/replicate.h"

namespace rekindle {

namespace {

struct BackupInput {
  std::vector<std::string> machines;
  std::string policy;
  bool full = false;
};

bool holds(const BackupPolicy& policy, const std::string& machine) {
  return std::find(policy.machines.begin(), policy.machines.end(), machine) != policy.machines.end();
}

// The one of `policies` that holds the machine.
Result<BackupPolicy> policy_of(const std::vector<BackupPolicy>& policies, const std::string& machine) {
  std::vector<std::string> held;
  std::vector<BackupPolicy> holding;
  for (const BackupPolicy& policy : policies) {
    if (holds(policy, machine)) holding.push_back(policy);
    held.insert(held.end(), policy.machines.begin(), policy.machines.end());
  }
  if (holding.size() == 1) return holding[0];
  if (holding.size() > 1) {
    return error(ErrorCode::invalid_argument,
                 "the policies {} and {} hold the machine '{}'; say which with --policy", holding[0].name,
                 holding[1].name, machine);
  }
  return error(ErrorCode::not_found,
               "no policy holds the machine '{}'; they hold: {}; make one with 'rekindle policy create'",
               machine, held.empty() ? "none" : fmt::format("{}", fmt::join(held, ", ")));
}

// All are tried; the first error is returned.
Result<> for_all(const std::vector<std::string>& machines,
                 const std::function<Result<>(const std::string&)>& work) {
  Result<> first;
  for (const std::string& machine : machines) {
    Result<> result = work(machine);
    if (!result.ok() && first.ok()) first = about_one_of(machines.size(), machine, std::move(result).error());
  }
  return first;
}

void add_backup_run(CLI::App& noun, Session& session) {
  auto input = std::make_shared<BackupInput>();
  CLI::App* verb = add_verb(
      noun, "run", "Back machines up now", session, [&session, input](Workplace& workplace) -> Result<> {
        Catalog* catalog = TRY(workplace.catalog());
        std::vector<std::string> machines = input->machines;
        std::vector<BackupPolicy> policies = TRY(catalog->list<BackupPolicy>());
        if (!input->policy.empty()) {
          policies = {TRY(catalog->get<BackupPolicy>(input->policy))};
          if (machines.empty()) machines = policies[0].machines;
        }
        if (machines.empty())
          return error(ErrorCode::invalid_argument, "name a machine, or a policy with --policy");
        return for_all(machines, [&](const std::string& machine) -> Result<> {
          const BackupPolicy policy = TRY(policy_of(policies, machine));
          return back_up(session, workplace, policy, machine, input->full);
        });
      });
  verb->add_option("machine", input->machines, "Machines");
  verb->add_option("--policy", input->policy,
                   "All machines of this policy, or those named; needed where several policies hold one");
  verb->add_flag("--full", input->full, "Read everything, whatever is tracked");
}

void add_replicate_run(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "run", "Bring a plan's DR copies up to the newest recovery points", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto plan = TRY(catalog->get<DrPlan>(*name));
             std::vector<std::string> machines;
             for (const PlanMachine& machine : plan.machines) machines.push_back(machine.machine);
             return for_all(machines, [&](const std::string& machine) {
               return replicate(session, workplace, plan, machine);
             });
           })
      ->add_option("plan", *name, "Its name")
      ->required();
}

void add_replicate_clean_up(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "clean-up", "Remove the DR copies of a plan from the account", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto plan = TRY(catalog->get<DrPlan>(*name));
             TRY(resume_all(session, workplace, Resume::unasked));
             const auto copies = TRY(catalog->list<DrCopy>());
             for (const DrCopy& copy : copies) {
               if (copy.plan == *name) TRY(forget_copy(*catalog, copy));
             }
             const int removed =
                 TRY(sweep_finished_jobs(*catalog, workplace.sites(), workplace.clock(), plan.account));
             session.output.say(
                 fmt::format("The plan {} keeps no DR copy any more; {} images are gone.", *name, removed));
             return {};
           })
      ->add_option("plan", *name, "Its name")
      ->required();
}

}  // namespace

void add_backup_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("backup", "Recovery points");
  add_backup_run(*noun, session);
  add_list_verb<RecoveryPoint>(*noun, session, "List the recovery points",
                               {{"id", "RECOVERY POINT"},
                                {"machine.name", "MACHINE"},
                                {"time", "TIME"},
                                {"full", "FULL"},
                                {"bytes_read", "BYTES READ"},
                                {"bytes_stored", "BYTES STORED"}});
  add_backup_remove(*noun, session);
}

void add_replicate_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("replicate", "DR copies");
  add_replicate_run(*noun, session);
  add_replicate_verify(*noun, session);
  add_replicate_clean_up(*noun, session);
  add_list_verb<DrCopy>(*noun, session, "List the DR copies",
                        {{"machine", "MACHINE"},
                         {"plan", "PLAN"},
                         {"recovery_point_time", "AS OF"},
                         {"recovery_point_id", "RECOVERY POINT"},
                         {"state", "STATE"}});
}

}  // namespace rekindle
