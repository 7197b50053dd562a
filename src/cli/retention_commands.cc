// retention: which recovery points go. point hold, release: those that nobody may remove.
#include <map>
#include <set>

#include "cli/commands.h"
#include "cli/recovery_points.h"
#include "protect/retention.h"

namespace rekindle {

void add_retention_options(CLI::App& verb, RetentionRules& rules) {
  const auto add = [&verb](const char* option, int& count, const char* help) {
    verb.add_option(option, count, help)->check(CLI::Range(0, 1000000));
  };
  add("--keep-last", rules.last, "Keep the last N recovery points (without any --keep-...: all)");
  add("--keep-hourly", rules.hourly, "And the newest of each of the last N hours that have one");
  add("--keep-daily", rules.daily, "And of each of the last N days");
  add("--keep-weekly", rules.weekly, "And of each of the last N weeks");
  add("--keep-monthly", rules.monthly, "And of each of the last N months");
  add("--keep-yearly", rules.yearly, "And of each of the last N years");
}

namespace {

struct RetentionInput {
  std::string policy;
  bool dry_run = false;
};

Result<std::set<RecoveryPointId>> copied_points(Catalog& catalog) {
  const auto copies = TRY(catalog.list<DrCopy>());
  std::set<RecoveryPointId> copied;
  for (const DrCopy& copy : copies) copied.insert(copy.recovery_point_id);
  return copied;
}

// The points of each machine of the policy in its vault; a machine made anew under its name counts for
// itself.
Result<std::map<MachineId, std::vector<RecoveryPoint>>> points_of(Catalog& catalog,
                                                                  const BackupPolicy& policy) {
  std::map<MachineId, std::vector<RecoveryPoint>> points;
  for (const std::string& machine : policy.machines) {
    const auto all = TRY(catalog.list<RecoveryPoint>(machine));
    for (const RecoveryPoint& point : all) {
      if (point.vault == policy.vault) points[point.machine.id].push_back(point);
    }
  }
  return points;
}

nlohmann::json shown(const RetentionDecision& decision) {
  return {{"machine", decision.point.machine.name},
          {"recovery_point_id", decision.point.id},
          {"time", decision.point.time},
          {"keep", decision.keep ? "keep" : "remove"},
          {"reason", decision.reason}};
}

Result<> apply_retention(Session& session, Workplace& workplace, const RetentionInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  std::vector<BackupPolicy> policies = TRY(catalog->list<BackupPolicy>());
  if (!input.policy.empty()) policies = {TRY(catalog->get<BackupPolicy>(input.policy))};
  const auto copied = TRY(copied_points(*catalog));
  std::vector<nlohmann::json> all;
  std::size_t removed = 0;
  for (const BackupPolicy& policy : policies) {
    const auto machines = TRY(points_of(*catalog, policy));
    for (const auto& [machine, points] : machines) {
      for (const RetentionDecision& decision : decide_retention(policy.retention, points, copied)) {
        all.push_back(shown(decision));
        if (decision.keep) continue;
        if (!input.dry_run) {
          TRY(remove_recovery_point(workplace, decision.point), "removing {}", decision.point.id);
        }
        ++removed;
      }
    }
  }
  session.output.records(all, {{"machine", "MACHINE"},
                               {"recovery_point_id", "RECOVERY POINT"},
                               {"time", "TIME"},
                               {"keep", "KEEP"},
                               {"reason", "WHY"}});
  session.output.say(fmt::format("{} of {} recovery points {}.", removed, all.size(),
                                 input.dry_run ? "would be removed" : "were removed"));
  return {};
}

Result<> set_hold(Session& session, Workplace& workplace, const std::string& word,
                  const std::string& reason) {
  Catalog* catalog = TRY(workplace.catalog());
  const RecoveryPoint found = TRY(find_recovery_point(workplace, word));
  auto point = TRY(catalog->get<RecoveryPoint>(found.id.str()));
  point.legal_hold = reason;
  TRY(catalog->put(point));
  session.output.say(reason.empty()
                         ? fmt::format("{} may be removed again.", point.id)
                         : fmt::format("{} of {} is held: nobody removes it before 'rekindle point "
                                       "release {}'.",
                                       point.id, point.machine.name, point.id));
  if (session.output.json) session.output.record(nlohmann::json(point));
  return {};
}

}  // namespace

void add_point_hold(CLI::App& noun, Session& session) {
  auto word = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  CLI::App* verb = add_verb(noun, "hold", "Put one under a legal hold: nobody removes it", session,
                            [&session, word, reason](Workplace& workplace) {
                              return set_hold(session, workplace, *word, *reason);
                            });
  verb->add_option("point", *word, "A recovery point's id or its beginning, or a machine: its newest")
      ->required();
  verb->add_option("--reason", *reason, "Why, for who asks in three years")->required();

  auto held = std::make_shared<std::string>();
  add_verb(noun, "release", "End its legal hold", session,
           [&session, held](Workplace& workplace) { return set_hold(session, workplace, *held, ""); })
      ->add_option("point", *held, "The recovery point's id or its beginning")
      ->required();
}

void add_retention_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("retention", "Which recovery points go, by the policies' rules");
  auto input = std::make_shared<RetentionInput>();
  CLI::App* verb = add_verb(
      *noun, "apply", "Remove the recovery points that no rule keeps, and tell why each stays or goes",
      session,
      [&session, input](Workplace& workplace) { return apply_retention(session, workplace, *input); });
  verb->add_option("--policy", input->policy, "Only this backup policy");
  verb->add_flag("--dry-run", input->dry_run, "Tell, and remove nothing");
}

}  // namespace rekindle
