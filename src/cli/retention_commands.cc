// retention: which recovery points go. point hold, release: those that nobody may remove.
#include <algorithm>
#include <map>

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

// What one machine has in one vault, and the rules of all policies that back it up there.
struct Series {
  std::vector<RetentionRules> rules;
  std::vector<RecoveryPoint> points;
  bool chosen = false;  // by the policy that was named, if one was
};

bool backs_up(const BackupPolicy& policy, const RecoveryPoint& point) {
  const auto names = [&](const std::string& word) {
    return word == point.machine.name || word == point.machine.id.str();
  };
  return policy.vault == point.vault && std::ranges::any_of(policy.machines, names);
}

// A machine made anew under its name counts for itself. Points that no policy covers stay.
Result<std::map<std::pair<std::string, MachineId>, Series>> all_series(Catalog& catalog,
                                                                       const std::string& chosen) {
  const auto policies = TRY(catalog.list<BackupPolicy>());
  const auto points = TRY(catalog.list<RecoveryPoint>());
  std::map<std::pair<std::string, MachineId>, Series> all;
  for (const RecoveryPoint& point : points) all[{point.vault, point.machine.id}].points.push_back(point);
  for (auto& [key, series] : all) {
    for (const BackupPolicy& policy : policies) {
      if (!backs_up(policy, series.points.back())) continue;
      series.rules.push_back(policy.retention);
      series.chosen = series.chosen || chosen.empty() || policy.name == chosen;
    }
  }
  return all;
}

nlohmann::json shown(const RetentionDecision& decision) {
  return {{"machine", decision.point.machine.name},
          {"recovery_point_id", decision.point.id},
          {"time", decision.point.time},
          {"keep", decision.keep ? "keep" : "remove"},
          {"reason", decision.reason}};
}

struct Outcome {
  std::vector<nlohmann::json> told;
  std::size_t removed = 0;
  std::size_t locked = 0;
};

Result<> apply_one(Workplace& workplace, const RetentionDecision& decision, bool dry_run, Outcome& outcome) {
  outcome.told.push_back(shown(decision));
  if (decision.keep) return {};
  Result<> removed = dry_run ? Result<>() : remove_recovery_point(workplace, decision.point);
  // A retention lock of the store: a later run removes it.
  if (!removed.ok() && removed.error().code() == ErrorCode::permission_denied) {
    ++outcome.locked;
    outcome.told.back()["reason"] = removed.error().message();
    return {};
  }
  TRY(std::move(removed), "removing {}", decision.point.id);
  ++outcome.removed;
  return {};
}

Result<> apply_retention(Session& session, Workplace& workplace, const RetentionInput& input) {
  Catalog* catalog = TRY(workplace.catalog());
  if (!input.policy.empty()) TRY(catalog->get<BackupPolicy>(input.policy));
  const auto pinned = TRY(pinned_points(*catalog));
  const auto all = TRY(all_series(*catalog, input.policy));
  Outcome outcome;
  for (const auto& [key, series] : all) {
    if (!series.chosen) continue;
    const auto decisions = decide_retention(series.rules, series.points, pinned);
    for (const RetentionDecision& decision : decisions) {
      TRY(apply_one(workplace, decision, input.dry_run, outcome));
    }
  }
  session.output.records(outcome.told, {{"machine", "MACHINE"},
                                        {"recovery_point_id", "RECOVERY POINT"},
                                        {"time", "TIME"},
                                        {"keep", "KEEP"},
                                        {"reason", "WHY"}});
  session.output.say(
      fmt::format("{} of {} recovery points {}{}.", outcome.removed, outcome.told.size(),
                  input.dry_run ? "would be removed" : "were removed",
                  outcome.locked > 0 ? fmt::format("; {} are still locked", outcome.locked) : ""));
  return {};
}

Result<> set_hold(Session& session, Workplace& workplace, const std::string& word,
                  const std::string& reason) {
  Catalog* catalog = TRY(workplace.catalog());
  const RecoveryPoint found = TRY(find_recovery_point(workplace, word));
  RecoveryPoint point;
  // A point that was removed meanwhile must not come back as a row.
  TRY(catalog->transaction([&]() -> Result<> {
    point = TRY(catalog->get<RecoveryPoint>(found.id.str()));
    point.legal_hold = reason;
    return catalog->put(point);
  }));
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
