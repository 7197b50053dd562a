// plan export, plan apply: a DR plan as a YAML file that people keep, review and change.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/yaml.h"

namespace rekindle {

namespace {

// Without what is as it would be without it.
nlohmann::json brief(const DrPlan& plan) {
  nlohmann::json all = plan;
  const nlohmann::json defaults = DrPlan();
  for (const char* field :
       {"workflow", "convert", "write", "verify_all", "keep_copies", "encrypt_copies", "copies_kms_key",
        "production", "test", "failback", "keep_days", "test_expires_after", "steps"}) {
    if (all.at(field) == defaults.at(field)) all.erase(field);
  }
  if (all.contains("steps")) {
    const nlohmann::json step_defaults = PlanStep();
    for (nlohmann::json& step : all["steps"]) {
      for (const auto& [field, value] : step_defaults.items()) {
        if (field != "name" && field != "machines" && step.at(field) == value) step.erase(field);
      }
    }
  }
  return all;
}

// nlohmann sorts by name; people want the name of the plan first.
std::string in_order(const nlohmann::json& plan) {
  std::string text;
  for (const char* field :
       {"name", "account", "replicate", "workflow", "convert", "write", "verify_all", "keep_copies",
        "encrypt_copies", "copies_kms_key", "health_check_seconds", "production", "test", "failback",
        "keep_days", "test_expires_after", "machines", "steps"}) {
    if (plan.contains(field)) text += to_yaml({{field, plan.at(field)}});
  }
  return text;
}

void add_plan_export(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  add_verb(noun, "export", "Print a plan as YAML", session,
           [&session, name](Workplace& workplace) -> Result<> {
             Catalog* catalog = TRY(workplace.catalog());
             const auto plan = TRY(catalog->get<DrPlan>(*name));
             if (session.output.json) {
               session.output.record(plan);
             } else {
               std::fputs(in_order(brief(plan)).c_str(), stdout);
             }
             return {};
           })
      ->add_option("name", *name, "Its name")
      ->required();
}

Result<std::string> read_input(const std::string& file) {
  if (file != "-") return read_text_file(file);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

Result<DrPlan> plan_of(const std::string& file) {
  const std::string text = TRY(read_input(file));
  const nlohmann::json given = TRY(parse_yaml(text), "{}", file);
  if (!given.is_object())
    return error(ErrorCode::invalid_argument, "{} is not a plan; print one with 'rekindle plan export'",
                 file);
  const auto parsed = parse_json<DrPlan>(given.dump());
  if (!parsed.ok()) return error(ErrorCode::invalid_argument, "{}: {}", file, parsed.error().message());
  const auto unknown = unknown_fields(given, nlohmann::json(*parsed));
  if (!unknown.empty()) {
    return error(ErrorCode::invalid_argument,
                 "{}: there is no {} in a plan; see docs/plans.md for what there is", file,
                 fmt::join(unknown, ", "));
  }
  TRY(check_plan(*parsed), "{}", file);
  return *parsed;
}

struct ApplyInput {
  std::string file;
  bool dry_run = false;
};

Result<> apply(Session& session, Workplace& workplace, const ApplyInput& input) {
  const DrPlan plan = TRY(plan_of(input.file));
  Catalog* catalog = TRY(workplace.catalog());
  TRY(catalog->get<Account>(plan.account));
  TRY(check_machines(*catalog, plan));
  const auto before = catalog->get<DrPlan>(plan.name);
  if (!before.ok() && before.error().code() != ErrorCode::not_found) return before.error();
  const auto changes =
      before.ok() ? differences(brief(*before), brief(plan)) : std::vector<std::string>{"a new plan"};
  for (const std::string& change : changes) session.output.say("  " + change);
  if (!input.dry_run && !changes.empty()) TRY(catalog->put(plan));
  if (session.output.json) session.output.record({{"plan", plan.name}, {"changes", changes}});
  session.output.say(changes.empty() ? fmt::format("The plan {} is as the file says.", plan.name)
                     : input.dry_run
                         ? fmt::format("The plan {} was not changed.", plan.name)
                         : fmt::format("The plan {} holds {} machines; look at it with 'rekindle plan "
                                       "check {}'.",
                                       plan.name, plan.machines.size(), plan.name));
  return {};
}

void add_plan_apply(CLI::App& noun, Session& session) {
  auto input = std::make_shared<ApplyInput>();
  CLI::App* verb =
      add_verb(noun, "apply", "Make or change a plan as a YAML file says, and show what changes", session,
               [&session, input](Workplace& workplace) { return apply(session, workplace, *input); });
  verb->add_option("file", input->file, "The file; - is standard input")->required();
  verb->add_flag("--dry-run", input->dry_run, "Only show what would change");
}

}  // namespace

void add_plan_file_verbs(CLI::App& noun, Session& session) {
  add_plan_export(noun, session);
  add_plan_apply(noun, session);
}

}  // namespace rekindle
