#include "model/dr_plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "model/console_pattern.h"
#include "model/copy_encryption.h"

namespace rekindle {

namespace {

void inherit(std::string& value, const std::string& over) {
  if (!over.empty()) value = over;
}

void inherit(std::optional<bool>& value, const std::optional<bool>& over) {
  if (over) value = over;
}

void inherit(int& value, int over) {
  if (over != 0) value = over;
}

void inherit(FailoverSettings& value, const FailoverSettings& over) {
  inherit(value.instance_type, over.instance_type);
  // Those of another type say nothing about this one.
  if (!over.instance_type.empty() || !over.other_instance_types.empty())
    value.other_instance_types = over.other_instance_types;
  if (!over.subnet_id.empty() || !over.other_subnets.empty()) value.other_subnets = over.other_subnets;
  inherit(value.subnet_id, over.subnet_id);
  if (!over.security_group_ids.empty()) value.security_group_ids = over.security_group_ids;
  inherit(value.private_ip, over.private_ip);
  inherit(value.same_host_as, over.same_host_as);
  inherit(value.public_ip, over.public_ip);
  inherit(value.instance_profile, over.instance_profile);
  inherit(value.user_data, over.user_data);
  inherit(value.source_dest_check, over.source_dest_check);
  inherit(value.leave_stopped, over.leave_stopped);
  inherit(value.health_check, over.health_check);
  inherit(value.volumes.type, over.volumes.type);
  inherit(value.volumes.iops, over.volumes.iops);
  inherit(value.volumes.throughput, over.volumes.throughput);
  inherit(value.volumes.encrypted, over.volumes.encrypted);
  inherit(value.volumes.kms_key, over.volumes.kms_key);
  for (const auto& [name, text] : over.tags) value.tags[name] = text;
}

std::string names_of(const DrPlan& plan) {
  std::vector<std::string> names;
  for (const PlanMachine& machine : plan.machines) names.push_back(machine.machine);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<> check_settings(const FailoverSettings& settings, const std::string& where) {
  const auto wrong = [&](const char* field, const std::string& value, const char* right) {
    return error(ErrorCode::invalid_argument, "{}: {} is '{}'; write {}", where, field, value, right);
  };
  const std::string& address = settings.public_ip;
  if (!address.empty() && address != "subnet" && address != "yes" && address != "no" &&
      !address.starts_with("eipalloc-")) {
    return wrong("public_ip", address, "subnet, yes, no, or the id of an Elastic IP (eipalloc-...)");
  }
  const std::string& check = settings.health_check;
  const bool is_url = check.starts_with("http://") || check.starts_with("https://");
  const bool is_port = check.starts_with("tcp://") && check.rfind(':') > std::string("tcp:").size();
  const bool is_console = check.starts_with(ConsolePattern::prefix);
  if (!check.empty() && !is_url && !is_port && !is_console && check != "status") {
    return wrong("health_check", check,
                 "a URL, tcp://{private_ip}:PORT, status, or console: and what the console must say");
  }
  if (is_console)
    TRY(ConsolePattern::parse(check.substr(ConsolePattern::prefix.size())), "{}: health_check", where);
  if (settings.volumes.iops < 0) {
    return wrong("volumes.iops", std::to_string(settings.volumes.iops), "a positive number, or nothing");
  }
  if (settings.volumes.throughput < 0) {
    return wrong("volumes.throughput", std::to_string(settings.volumes.throughput), "MiB/s, or nothing");
  }
  if (!settings.volumes.kms_key.empty() && settings.volumes.encrypted == false) {
    return wrong("volumes.encrypted", "false", "true where there is a kms_key");
  }
  constexpr std::size_t longest_user_data = 16384;  // of EC2, before base64
  if (settings.user_data.size() > longest_user_data) {
    return error(ErrorCode::invalid_argument, "{}: user_data has {} bytes; EC2 takes {} at most", where,
                 settings.user_data.size(), longest_user_data);
  }
  return {};
}

Result<> check_machines(const DrPlan& plan) {
  std::set<std::string> seen;
  for (const PlanMachine& machine : plan.machines) {
    if (machine.machine.empty())
      return error(ErrorCode::invalid_argument, "a machine of the plan has no name");
    if (!seen.insert(machine.machine).second) {
      return error(ErrorCode::invalid_argument, "the plan names the machine {} twice", machine.machine);
    }
    TRY(check_settings(machine.production, machine.machine + ".production"));
    TRY(check_settings(machine.test, machine.machine + ".test"));
  }
  return {};
}

// `placed`: the machines of this step and of those before it.
Result<> check_script_on(const DrPlan& plan, const PlanStep& step, const std::set<std::string>& placed) {
  if (step.script_on.empty()) return {};
  if (step.script.empty())
    return error(ErrorCode::invalid_argument, "step {}: script_on says where, and there is no script",
                 step.name);
  constexpr std::size_t longest_name = 50;  // it is in the token by which the site finds the script again
  if (step.name.size() > longest_name) {
    return error(ErrorCode::invalid_argument,
                 "step {}: the name of a step with script_on has at most {} bytes", step.name, longest_name);
  }
  std::set<std::string> seen;
  for (const std::string& machine : step.script_on) {
    TRY(find_machine(plan, machine), "step {}: script_on", step.name);
    if (!seen.insert(machine).second)
      return error(ErrorCode::invalid_argument, "step {}: script_on names {} twice", step.name, machine);
    const bool in_a_later_step =
        !placed.contains(machine) &&
        std::any_of(plan.steps.begin(), plan.steps.end(), [&](const PlanStep& one) {
          return std::find(one.machines.begin(), one.machines.end(), machine) != one.machines.end();
        });
    if (in_a_later_step) {
      return error(ErrorCode::invalid_argument,
                   "step {}: its script is to run in {}, which a later step starts; move it there", step.name,
                   machine);
    }
  }
  return {};
}

Result<> check_steps(const DrPlan& plan) {
  std::set<std::string> names;
  std::set<std::string> placed;
  for (const PlanStep& step : plan.steps) {
    if (step.name.empty()) return error(ErrorCode::invalid_argument, "a step of the plan has no name");
    if (!names.insert(step.name).second)
      return error(ErrorCode::invalid_argument, "two steps of the plan are named '{}'", step.name);
    if (step.delay_seconds < 0 || step.script_seconds <= 0) {
      return error(ErrorCode::invalid_argument,
                   "step {}: delay_seconds must not be negative, script_seconds must be positive", step.name);
    }
    for (const std::string& machine : step.machines) {
      TRY(find_machine(plan, machine), "step {}", step.name);
      if (!placed.insert(machine).second)
        return error(ErrorCode::invalid_argument, "{} is in two steps of the plan", machine);
    }
    TRY(check_script_on(plan, step, placed));
  }
  return {};
}

}  // namespace

bool is_chosen(const std::vector<std::string>& named, const std::string& machine) {
  return named.empty() || std::find(named.begin(), named.end(), machine) != named.end();
}

Result<const PlanMachine*> find_machine(const DrPlan& plan, const std::string& machine) {
  for (const PlanMachine& candidate : plan.machines) {
    if (candidate.machine == machine) return &candidate;
  }
  return error(ErrorCode::not_found, "the plan {} does not hold the machine '{}'; it holds: {}", plan.name,
               machine, names_of(plan));
}

FailoverSettings settings_of(const DrPlan& plan, const PlanMachine& machine, FailoverKind kind) {
  FailoverSettings settings = plan.production;
  inherit(settings, machine.production);
  if (kind == FailoverKind::production) return settings;
  const std::string production_address = settings.private_ip;
  // An Elastic IP is one: a test must not take production's.
  if (settings.public_ip.starts_with("eipalloc-")) settings.public_ip.clear();
  inherit(settings, plan.test);
  inherit(settings, machine.test);
  // "The same host" of a test is that of the production, if it has an address.
  const bool has_address = !production_address.empty() && production_address.find('.') != std::string::npos;
  if (settings.private_ip == "same-host" && has_address && machine.test.same_host_as.empty())
    settings.same_host_as = production_address;
  return settings;
}

FailbackSettings failback_settings_of(const DrPlan& plan, const PlanMachine& machine) {
  FailbackSettings settings = plan.failback;
  const FailbackSettings& over = machine.failback;
  inherit(settings.datacenter, over.datacenter);
  inherit(settings.datastore, over.datastore);
  inherit(settings.test_network, over.test_network);
  inherit(settings.health_check, over.health_check);
  for (const auto& [network, there] : over.networks) settings.networks[network] = there;
  return settings;
}

std::vector<PlanStep> steps_of(const DrPlan& plan) {
  std::set<std::string> placed;
  for (const PlanStep& step : plan.steps) placed.insert(step.machines.begin(), step.machines.end());
  PlanStep rest;
  rest.name = "machines";
  rest.on_failure = OnFailure::go_on;
  for (const PlanMachine& machine : plan.machines) {
    if (!placed.contains(machine.machine)) rest.machines.push_back(machine.machine);
  }
  std::vector<PlanStep> steps;
  if (!rest.machines.empty()) steps.push_back(std::move(rest));
  steps.insert(steps.end(), plan.steps.begin(), plan.steps.end());
  return steps;
}

Result<> check_plan(const DrPlan& plan) {
  if (plan.name.empty()) return error(ErrorCode::invalid_argument, "the plan has no name");
  if (plan.machines.empty())
    return error(ErrorCode::invalid_argument, "the plan {} holds no machine", plan.name);
  if (plan.health_check_seconds <= 0)
    return error(ErrorCode::invalid_argument, "health_check_seconds must be positive");
  if (plan.keep_copies < 1)
    return error(ErrorCode::invalid_argument,
                 "keep_copies must be 1 at least: the newest DR copy is kept always");
  if (!plan.copies_kms_key.empty() && !encrypts_copies(plan))
    return error(ErrorCode::invalid_argument, "copies_kms_key encrypts nothing without encrypt_copies: true");
  if (plan.keep_days < 0) return error(ErrorCode::invalid_argument, "keep_days must not be negative");
  if (plan.workflow == DrWorkflow::ami && plan.convert != ConvertWhen::ahead) {
    return error(ErrorCode::invalid_argument,
                 "workflow ami keeps an AMI that is ready to launch: that needs convert: ahead");
  }
  TRY(check_settings(plan.production, "production"));
  TRY(check_settings(plan.test, "test"));
  TRY(check_machines(plan));
  return check_steps(plan);
}

std::string approval_id(const JobId& job, const std::string& step) {
  return job.str() + "/" + step;
}

}  // namespace rekindle
