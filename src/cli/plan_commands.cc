// plan: which machines start where, and how.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "cli/commands.h"
#include "model/test_expiry.h"

namespace rekindle {

namespace {

struct PlanInput {
  DrPlan plan;
  std::vector<std::string> machines;
  std::string replicate = "after-backup";
  std::string workflow = "ebs-snapshot";
  std::string convert = "ahead";
  std::string write = "direct";
  std::string test_expires_after = "never";
  std::vector<std::string> tags;         // NAME=VALUE
  std::vector<std::string> private_ips;  // MACHINE=ADDRESS, or one address for a plan of one machine
};

Result<std::pair<std::string, std::string>> split_pair(const std::string& text, const char* what) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return error(ErrorCode::invalid_argument, "'{}' is not of the form {}", text, what);
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<DrPlan> plan_of(const PlanInput& input) {
  DrPlan plan = input.plan;
  plan.replicate = TRY(parse_schedule(input.replicate), "--replicate");
  plan.workflow = nlohmann::json(input.workflow).get<DrWorkflow>();
  plan.convert = nlohmann::json(input.convert).get<ConvertWhen>();
  plan.write = nlohmann::json(input.write).get<ImageWriting>();
  plan.test_expires_after = TRY(parse_test_expiry(input.test_expires_after), "--test-expires-after");
  for (const std::string& tag : input.tags) plan.production.tags.insert(TRY(split_pair(tag, "NAME=VALUE")));
  for (const std::string& machine : input.machines) plan.machines.push_back({machine, {}, {}});
  for (const std::string& text : input.private_ips) {
    if (text.find('=') == std::string::npos && plan.machines.size() == 1) {
      plan.machines[0].production.private_ip = text;
      continue;
    }
    const auto [machine, address] = TRY(split_pair(text, "MACHINE=ADDRESS"));
    const auto found =
        std::find_if(plan.machines.begin(), plan.machines.end(),
                     [&, name = machine](const PlanMachine& candidate) { return candidate.machine == name; });
    if (found == plan.machines.end()) {
      return error(ErrorCode::invalid_argument, "--private-ip names {}, which the plan does not hold",
                   machine);
    }
    found->production.private_ip = address;
  }
  TRY(check_plan(plan));
  return plan;
}

}  // namespace

Result<> check_machines(Catalog& catalog, const DrPlan& plan) {
  std::set<std::string> known;
  const auto policies = TRY(catalog.list<BackupPolicy>());
  for (const BackupPolicy& policy : policies) known.insert(policy.machines.begin(), policy.machines.end());
  for (const PlanMachine& machine : plan.machines) {
    if (known.contains(machine.machine)) continue;
    return error(
        ErrorCode::not_found,
        "no policy backs up the machine '{}'; known: {}; protect it first with 'rekindle policy create'",
        machine.machine, known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  }
  return {};
}

namespace {

void add_plan_create(CLI::App& noun, Session& session) {
  auto input = std::make_shared<PlanInput>();
  CLI::App* verb = add_verb(noun, "create", "Make or replace a DR plan", session,
                            [&session, input](Workplace& workplace) -> Result<> {
                              const DrPlan plan = TRY(plan_of(*input));
                              Catalog* catalog = TRY(workplace.catalog());
                              TRY(catalog->get<Account>(plan.account));
                              TRY(check_machines(*catalog, plan));
                              TRY(catalog->put(plan));
                              session.output.say(
                                  fmt::format("The plan {} holds {} machines. Make their DR copies with "
                                              "'rekindle replicate run {}'.",
                                              plan.name, plan.machines.size(), plan.name));
                              if (session.output.json) session.output.record(shown(plan));
                              return {};
                            });
  verb->add_option("name", input->plan.name, "How you call it")->required();
  verb->add_option("--account", input->plan.account, "The AWS account")->required();
  verb->add_option("--machine", input->machines, "A machine; may be given many times")->required();
  verb->add_option("--subnet", input->plan.production.subnet_id, "Subnet of the instances")->required();
  verb->add_option("--security-group", input->plan.production.security_group_ids,
                   "Security group; may be given many times")
      ->required();
  verb->add_option("--instance-type", input->plan.production.instance_type, "t3.small, ...")->required();
  verb->add_option("--private-ip", input->private_ips, "ADDRESS, or MACHINE=ADDRESS; else any free one");
  verb->add_option("--tag", input->tags, "NAME=VALUE for instances and volumes; may be given many times");
  verb->add_option(
      "--health-check", input->plan.production.health_check,
      "URL that answers when the service works; {private_ip} and {public_ip} are filled in. Also "
      "tcp://{private_ip}:PORT, status, or console:PATTERN: a regular expression, found in a line of "
      "its console");
  verb->add_option(
          "--replicate", input->replicate,
          "When DR copies are updated: after-backup, \"every 15m\", \"daily 23:00 22:00-06:00\" (in a "
          "window), ...")
      ->capture_default_str();
  verb->add_option("--workflow", input->workflow, "What is kept ready: snapshots, or an AMI")
      ->check(CLI::IsMember({"ebs-snapshot", "ami"}))
      ->capture_default_str();
  verb->add_option("--convert", input->convert, "When the boot disk gets EC2's drivers")
      ->check(CLI::IsMember({"ahead", "at-failover"}))
      ->capture_default_str();
  verb->add_option("--write", input->write, "By the EBS direct APIs, or through volumes at the AWS proxy")
      ->check(CLI::IsMember({"direct", "volume"}))
      ->capture_default_str();
  verb->add_flag("--encrypt-copies", input->plan.encrypt_copies, "Encrypt the images of DR copies");
  verb->add_option("--copies-kms-key", input->plan.copies_kms_key,
                   "With this KMS key (id, ARN or alias); else the account's own for EBS");
  verb->add_option("--test-expires-after", input->test_expires_after,
                   "When 'rekindle serve' ends a test failover that nobody ended: 90m, 8h, 3d, never")
      ->capture_default_str();
  verb->add_option("--health-check-seconds", input->plan.health_check_seconds, "How long it may take")
      ->capture_default_str();
}

// What a forgotten plan has made would be paid for, and found by nobody.
Result<> refuse_while_it_holds_something(Catalog& catalog, const std::string& name) {
  const auto failovers = TRY(catalog.list<Failover>());
  for (const Failover& failover : failovers) {
    if (failover.plan == name && failover.state == FailoverState::running) {
      return error(ErrorCode::failed_precondition,
                   "{} runs as {}; end it with 'rekindle failover clean-up {}' first", failover.machine,
                   failover.instance_id, name);
    }
  }
  const auto copies = TRY(catalog.list<DrCopy>());
  for (const DrCopy& copy : copies) {
    if (copy.plan == name) {
      return error(ErrorCode::failed_precondition,
                   "the plan {} keeps a DR copy of {}; remove it with 'rekindle replicate clean-up {}' first",
                   name, copy.machine, name);
    }
  }
  return {};
}

}  // namespace

void add_plan_commands(CLI::App& root, Session& session) {
  CLI::App* noun = root.add_subcommand("plan", "DR plans");
  add_plan_create(*noun, session);
  add_plan_file_verbs(*noun, session);
  add_plan_check(*noun, session);
  add_plan_cost(*noun, session);
  add_list_verb<DrPlan>(*noun, session, "List them", {{"name", "NAME"}, {"account", "ACCOUNT"}});
  add_show_verb<DrPlan>(*noun, session, "Show one");
  add_remove_verb<DrPlan>(*noun, session, "Forget one", refuse_while_it_holds_something);
}

}  // namespace rekindle
