#include "recover/failover.h"

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/convert.h"
#include "recover/health_check.h"

namespace rekindle {

nlohmann::json parameters_of(const FailoverRequest& request) {
  return {{"plan", request.plan},
          {"machine", request.machine},
          {"kind", request.kind},
          {"datacenter_is_down", request.datacenter_is_down}};
}

bool holds_instance(const Failover& failover, const std::vector<LedgerEntry>& ledger) {
  return std::any_of(ledger.begin(), ledger.end(), [&](const LedgerEntry& entry) {
    return entry.job_id == failover.job_id && entry.kind == ResourceKind::instance &&
           entry.state != ResourceState::released;
  });
}

namespace {

std::string token_of(const Job& job, std::string_view what) {
  return fmt::format("rekindle-{}-{}", job.id, what);
}

FailoverKind kind_of(const Job& job) {
  return job.parameters.value("kind", FailoverKind::production);
}

Tags tags_of(const Job& job, const std::string& token) {
  return {{token_tag, token},
          {"rekindle:job", job.id.str()},
          {"rekindle:plan", text(job.parameters, "plan")},
          {"rekindle:machine", text(job.parameters, "machine")}};
}

class FailoverSteps {
 public:
  explicit FailoverSteps(FailoverParts parts) : parts_(std::move(parts)) {}

  Result<> check(StepContext& context);
  Result<> convert(StepContext& context);
  Result<> register_template(StepContext& context);
  Result<> launch(StepContext& context);
  Result<> wait_running(StepContext& context);
  Result<> wait_service(StepContext& context);
  Result<> record(StepContext& context);
  Result<> tidy(StepContext& context);

 private:
  struct Setting {
    DrPlan plan;
    FailoverSettings settings;
  };
  Result<Setting> setting(StepContext& context);
  Result<DrCopy> copy(StepContext& context);
  Result<RecoveryTarget*> target(StepContext& context);
  Result<> refuse_second_home(StepContext& context);
  Result<> refuse_while_it_runs(Job& job);
  Result<LedgerEntry> ledger_entry(StepContext& context, ResourceKind kind, const std::string& token);
  Result<LaunchSpec> launch_spec(StepContext& context);

  FailoverParts parts_;
};

Result<FailoverSteps::Setting> FailoverSteps::setting(StepContext& context) {
  const Job& job = context.job;
  auto plan = TRY(context.catalog.get<DrPlan>(text(job.parameters, "plan")));
  for (const PlanMachine& machine : plan.machines) {
    if (machine.machine == text(job.parameters, "machine")) return Setting{plan, machine.settings};
  }
  return error(ErrorCode::not_found, "the plan {} does not hold the machine {}", plan.name,
               text(job.parameters, "machine"));
}

// The copy is chosen once, by check, so that a resumed job goes on with the same one.
Result<DrCopy> FailoverSteps::copy(StepContext& context) {
  return context.catalog.get<DrCopy>(text(context.job.data, "dr_copy_id"));
}

Result<RecoveryTarget*> FailoverSteps::target(StepContext& context) {
  const Setting found = TRY(setting(context));
  return parts_.sites.account(found.plan.account);
}

Result<LedgerEntry> FailoverSteps::ledger_entry(StepContext& context, ResourceKind kind,
                                                const std::string& token) {
  LedgerEntry entry;
  entry.token = token;
  entry.kind = kind;
  entry.site = TRY(setting(context)).plan.account;
  return entry;
}

// Invariant: a machine is never run by both sites in production.
Result<> FailoverSteps::refuse_second_home(StepContext& context) {
  const std::string machine = text(context.job.parameters, "machine");
  const auto failovers = TRY(context.catalog.list<Failover>(machine));
  const auto ledger = TRY(context.catalog.ledger());
  for (const Failover& other : failovers) {
    if (other.kind != kind_of(context.job)) continue;
    if (other.state == FailoverState::running || holds_instance(other, ledger)) {
      return error(
          ErrorCode::failed_precondition,
          "{} runs already as {} since the failover {}; end it with 'rekindle failover clean-up {}' first",
          machine, other.instance_id, other.id, other.plan);
    }
  }
  const bool asks = kind_of(context.job) == FailoverKind::production &&
                    !context.job.parameters.value("datacenter_is_down", false);
  return asks ? refuse_while_it_runs(context.job) : Result<>();
}

// Only silence is a disaster: a datacenter that answers, but not to us, may still run the machine.
Result<> FailoverSteps::refuse_while_it_runs(Job& job) {
  const std::string machine = text(job.parameters, "machine");
  const auto power = parts_.power_at_datacenter(machine);
  if (power.ok() && *power != PowerState::on) return {};
  if (power.ok()) {
    return error(ErrorCode::failed_precondition,
                 "{} still runs in its datacenter; power it off there, or make a test failover with --test",
                 machine);
  }
  if (power.error().transient() || power.error().code() == ErrorCode::not_found) {
    log::info("{}: its datacenter does not answer for it ({}); going on", machine, power.error().message());
    job.data["datacenter"] = power.error().message();
    return {};
  }
  return error(
      ErrorCode::failed_precondition,
      "whether {} still runs in its datacenter cannot be asked ({}); if you know that it does not, say "
      "--datacenter-is-down",
      machine, power.error().message());
}

Result<LaunchSpec> FailoverSteps::launch_spec(StepContext& context) {
  const Job& job = context.job;
  const Setting found = TRY(setting(context));
  LaunchSpec spec;
  spec.image_template = TemplateId(text(job.data, "template_id"));
  spec.instance_type = found.settings.instance_type;
  spec.subnet_id = found.settings.subnet_id;
  spec.security_group_ids = found.settings.security_group_ids;
  spec.private_ip = found.settings.private_ip;
  spec.token = token_of(job, "instance");
  spec.tags = tags_of(job, spec.token);
  spec.tags["Name"] = text(job.parameters, "machine");
  spec.tags.insert(found.settings.tags.begin(), found.settings.tags.end());
  return spec;
}

Result<> FailoverSteps::check(StepContext& context) {
  Job& job = context.job;
  const std::string machine = text(job.parameters, "machine");
  RecoveryTarget* site = TRY(target(context));
  const auto copies = TRY(context.catalog.list<DrCopy>(machine));
  const auto current = std::find_if(copies.begin(), copies.end(), [&](const DrCopy& copy) {
    return copy.state == DrCopyState::current && copy.plan == text(job.parameters, "plan");
  });
  if (current == copies.end()) {
    return error(ErrorCode::failed_precondition,
                 "{} has no DR copy yet; make one with 'rekindle replicate run {}' before a disaster",
                 machine, text(job.parameters, "plan"));
  }
  job.data["dr_copy_id"] = current->id;
  TRY(refuse_second_home(context));
  const LaunchSpec spec = TRY(launch_spec(context));
  return site->check_launch(spec);
}

Result<> FailoverSteps::convert(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  const DrCopy source = TRY(copy(context));
  const std::string token = token_of(job, "boot-disk");
  ImageSpec spec;
  spec.size_bytes = source.disks.at(0).size_bytes;
  spec.parent = source.disks.at(0).image_id;
  spec.description = fmt::format("Rekindle: {} converted for failover", source.machine);
  spec.token = token;
  spec.tags = tags_of(job, token);
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::image, token));
  const ImageId image = TRY(make_resource(context, entry, [&] { return site->start_image(spec); }));
  const ConversionOutcome outcome = TRY(convert_image(*site, source, image, context));
  job.data["boot_image_id"] = image;
  job.data["conversion"] = outcome.report;
  job.data["blocks_converted"] = outcome.blocks_written;
  return {};
}

Result<> FailoverSteps::register_template(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  const DrCopy source = TRY(copy(context));
  TemplateSpec spec;
  spec.name = token_of(job, "template");
  spec.firmware = source.firmware;
  spec.disks.push_back({ImageId(text(job.data, "boot_image_id")), ""});
  for (std::size_t i = 1; i < source.disks.size(); ++i) spec.disks.push_back({source.disks[i].image_id, ""});
  spec.tags = tags_of(job, spec.name);
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::machine_template, spec.name));
  job.data["template_id"] = TRY(make_resource(context, entry, [&] { return site->register_template(spec); }));
  return {};
}

Result<> FailoverSteps::launch(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  TRY(refuse_second_home(context));  // again: a resumed job may be days old
  const LaunchSpec spec = TRY(launch_spec(context));
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::instance, spec.token));
  job.data["instance_id"] = TRY(make_resource(context, entry, [&] { return site->launch(spec); }));
  return {};
}

Result<> FailoverSteps::wait_running(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  const InstanceId id(text(job.data, "instance_id"));
  constexpr int polls = 600;
  for (int poll = 0; poll < polls; ++poll) {
    const Instance instance = TRY(site->instance(id));
    if (instance.state == InstanceState::running) {
      job.data["private_ip"] = instance.private_ip;
      job.data["public_ip"] = instance.public_ip;
      return {};
    }
    if (instance.state != InstanceState::pending) {
      return error(ErrorCode::exhausted,
                   "the instance {} did not start: {}; choose another instance type or subnet in the DR plan",
                   id, instance.state_reason.empty() ? "no reason was given" : instance.state_reason);
    }
    if (!context.clock.sleep(std::chrono::milliseconds(poll < 20 ? 100 : 1000), context.stop)) {
      return error(ErrorCode::cancelled, "cancelled by the user");
    }
  }
  return error(ErrorCode::exhausted, "the instance {} is still pending after ten minutes", id);
}

Result<> FailoverSteps::wait_service(StepContext& context) {
  const Job& job = context.job;
  const Setting found = TRY(setting(context));
  if (found.settings.health_check.empty()) return {};
  RecoveryTarget* site = TRY(target(context));
  const std::string url = health_check_url(found.settings.health_check, text(job.data, "private_ip"),
                                           text(job.data, "public_ip"));
  const InstanceId id(text(job.data, "instance_id"));
  Result<> healthy = wait_until_healthy(
      parts_.http, context.clock, url, std::chrono::seconds(found.plan.health_check_seconds), context.stop,
      [&]() -> Result<> {
        const auto instance = site->instance(id);
        if (!instance.ok() && instance.error().transient()) return {};  // not known is not dead
        if (!instance.ok()) return instance.error();
        if (instance->state == InstanceState::running) return {};
        return error(ErrorCode::internal, "the instance {} stopped: {}", id, instance->state_reason);
      });
  if (healthy.ok() || healthy.error().code() == ErrorCode::cancelled) return healthy;
  // What the person at the other end needs most: the last thing the machine said.
  const auto console = site->console_output(id);
  return Error(healthy.error())
      .context("{}", console.ok() ? last_console_line(*console) : "no console output");
}

Result<> FailoverSteps::record(StepContext& context) {
  const Job& job = context.job;
  const DrCopy source = TRY(copy(context));
  const Setting found = TRY(setting(context));
  Failover failover;
  failover.id = id_by_job("failover", job.id);
  failover.job_id = job.id;
  failover.plan = found.plan.name;
  failover.machine = source.machine;
  failover.account = found.plan.account;
  failover.kind = kind_of(job);
  failover.instance_id = InstanceId(text(job.data, "instance_id"));
  failover.private_ip = text(job.data, "private_ip");
  failover.public_ip = text(job.data, "public_ip");
  failover.recovery_point_id = source.recovery_point_id;
  failover.recovery_point_time = source.recovery_point_time;
  failover.started = job.created;
  failover.finished = context.clock.now();
  return context.catalog.transaction([&]() -> Result<> {
    TRY(context.catalog.put(failover));
    TRY(context.catalog.mark_used(token_of(job, "instance"), "failover:" + failover.id));
    if (failover.kind == FailoverKind::test) return {};
    auto machine = TRY(context.catalog.get<ProtectedMachine>(failover.machine));
    machine.runs_at = RunsAt::account;
    return context.catalog.put(machine);
  });
}

// The machine runs by now: what cannot be removed yet is for the next sweep, and no reason to call it a
// failure.
Result<> FailoverSteps::tidy(StepContext& context) {
  const Result<> swept = sweep_job(context.catalog, parts_.sites, context.clock, context.job.id);
  if (!swept.ok()) {
    log::warn("{}: not all could be removed yet: {}", context.job.id, swept.error().message());
    context.job.data["left_behind"] = swept.error().message();
  }
  return {};
}

Result<> release_failover(StepContext& context) {
  auto failover = TRY(context.catalog.get<Failover>(text(context.job.parameters, "failover_id")));
  return context.catalog.transaction([&]() -> Result<> {
    TRY(context.catalog.release_uses("failover:" + failover.id));
    failover.state = FailoverState::released;
    TRY(context.catalog.put(failover));
    if (failover.kind == FailoverKind::test) return {};
    auto machine = TRY(context.catalog.get<ProtectedMachine>(failover.machine));
    machine.runs_at = RunsAt::datacenter;
    return context.catalog.put(machine);
  });
}

}  // namespace

JobProcedure failover_procedure(FailoverParts parts) {
  Sites& sites = parts.sites;
  auto steps = std::make_shared<FailoverSteps>(std::move(parts));
  JobProcedure procedure;
  procedure.kind = JobKind::failover;
  procedure.steps = {
      {"check", "AWS proxy", "checking the settings", method_of(steps, &FailoverSteps::check)},
      {"convert", "AWS proxy", "converting the boot disk", method_of(steps, &FailoverSteps::convert)},
      {"register", "AWS proxy", "registering the machine",
       method_of(steps, &FailoverSteps::register_template)},
      {"launch", "AWS proxy", "launching the instance", method_of(steps, &FailoverSteps::launch)},
      {"wait_running", "AWS proxy", "waiting until it runs", method_of(steps, &FailoverSteps::wait_running)},
      {"wait_service", "AWS proxy", "waiting until its service answers",
       method_of(steps, &FailoverSteps::wait_service)},
      {"record", "control plane", "recording the failover", method_of(steps, &FailoverSteps::record)},
      {"tidy", "AWS proxy", "removing what is not needed any more", method_of(steps, &FailoverSteps::tidy),
       true},
  };
  procedure.clean_up = [&sites](StepContext& context) {
    return sweep_job(context.catalog, sites, context.clock, context.job.id);
  };
  return procedure;
}

JobProcedure failover_cleanup_procedure(Sites& sites) {
  JobProcedure procedure;
  procedure.kind = JobKind::failover_cleanup;
  procedure.steps = {
      {"release", "control plane", "releasing the instance", release_failover},
      {"terminate", "AWS proxy", "terminating the instance",
       [&sites](StepContext& context) -> Result<> {
         const auto failover =
             TRY(context.catalog.get<Failover>(text(context.job.parameters, "failover_id")));
         return sweep_job(context.catalog, sites, context.clock, failover.job_id);
       }},
  };
  procedure.clean_up = [](StepContext&) -> Result<> { return {}; };
  return procedure;
}

}  // namespace rekindle
