#include "recover/failover.h"

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "base/parallel.h"
#include "jobs/dr_copies.h"
#include "jobs/make_resource.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "prepare/copy_template.h"
#include "prepare/machine_conversion.h"
#include "recover/health_check.h"
#include "recover/launch_settings.h"

namespace rekindle {

nlohmann::json parameters_of(const FailoverRequest& request) {
  return {{"plan", request.plan},
          {"machine", request.machine},
          {"kind", request.kind},
          {"datacenter_is_down", request.datacenter_is_down},
          {"dr_copy_id", request.dr_copy_id},
          {"run", request.run}};
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
  Result<> adjust(StepContext& context);
  Result<> wait_service(StepContext& context);
  Result<> record(StepContext& context);
  Result<> tidy(StepContext& context);

 private:
  Result<DrPlan> plan(StepContext& context);
  Result<FailoverSettings> settings(StepContext& context);
  Result<std::string> choose_copy(StepContext& context);
  Result<DrCopy> copy(StepContext& context);
  Result<RecoveryTarget*> target(StepContext& context);
  Result<> refuse_second_home(StepContext& context);
  Result<> refuse_to_go_back(StepContext& context, const Failover& returned);
  Result<> refuse_while_it_runs(Job& job);
  Result<LedgerEntry> ledger_entry(StepContext& context, ResourceKind kind, const std::string& token);
  Result<LaunchSpec> launch_spec(StepContext& context);

  FailoverParts parts_;
};

Result<DrPlan> FailoverSteps::plan(StepContext& context) {
  return context.catalog.get<DrPlan>(text(context.job.parameters, "plan"));
}

// As check resolved them: a job that goes on after a crash asks the site for the same thing, whatever became
// of the plan.
Result<FailoverSettings> FailoverSteps::settings(StepContext& context) {
  return context.job.data.at("settings").get<FailoverSettings>();
}

// The copy is chosen once, by check, so that a resumed job goes on with the same one.
Result<DrCopy> FailoverSteps::copy(StepContext& context) {
  return context.catalog.get<DrCopy>(text(context.job.data, "dr_copy_id"));
}

Result<RecoveryTarget*> FailoverSteps::target(StepContext& context) {
  const DrPlan found = TRY(plan(context));
  return parts_.sites.account(found.account);
}

Result<LedgerEntry> FailoverSteps::ledger_entry(StepContext& context, ResourceKind kind,
                                                const std::string& token) {
  LedgerEntry entry;
  entry.token = token;
  entry.kind = kind;
  entry.site = TRY(plan(context)).account;
  return entry;
}

// Invariant: a machine is never run by both sites in production.
Result<> FailoverSteps::refuse_second_home(StepContext& context) {
  const std::string machine = text(context.job.parameters, "machine");
  const auto failovers = TRY(context.catalog.list<Failover>(machine));
  const auto ledger = TRY(context.catalog.ledger());
  for (const Failover& other : failovers) {
    if (other.kind != kind_of(context.job)) continue;
    if (other.state == FailoverState::returned) {
      TRY(refuse_to_go_back(context, other));
      continue;
    }
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

// The machine came home from there, and its stopped instance is kept. It may go, and its address be free,
// only where the DR copy has all that it wrote.
Result<> FailoverSteps::refuse_to_go_back(StepContext& context, const Failover& returned) {
  const auto points = TRY(context.catalog.list<RecoveryPoint>(returned.machine));
  const DrCopy chosen = TRY(copy(context));
  const bool is_newer = std::any_of(points.begin(), points.end(), [&](const RecoveryPoint& point) {
    return point.id == chosen.recovery_point_id && point.time >= returned.finished;
  });
  if (!is_newer) {
    return error(
        ErrorCode::failed_precondition,
        "{} came home from {}, and its DR copy is still that of before: bring it up to date with "
        "'rekindle replicate run {}' first, or give up what was written there with 'rekindle failover "
        "clean-up {}'",
        returned.machine, returned.instance_id, returned.plan, returned.plan);
  }
  TRY(context.catalog.transaction([&]() -> Result<> {
    Failover released = returned;
    released.state = FailoverState::released;
    TRY(context.catalog.release_uses("failover:" + returned.id));
    return context.catalog.put(released);
  }));
  return sweep_job(context.catalog, parts_.sites, context.clock, returned.job_id);
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
  const FailoverSettings resolved = TRY(settings(context));
  LaunchSpec spec = launch_spec_of(resolved, TRY(copy(context)));
  spec.image_template = TemplateId(text(job.data, "template_id"));
  spec.token = token_of(job, "instance");
  Tags tags = tags_of(job, spec.token);  // which no tag of the plan replaces
  tags["Name"] = text(job.parameters, "machine");
  tags.insert(spec.tags.begin(), spec.tags.end());
  spec.tags = std::move(tags);
  return spec;
}

// The one that is asked for, else the plan's current one.
Result<std::string> FailoverSteps::choose_copy(StepContext& context) {
  const Job& job = context.job;
  const std::string wanted = text(job.parameters, "dr_copy_id");
  if (!wanted.empty()) return wanted;
  const std::string machine = text(job.parameters, "machine");
  const auto current = TRY(current_copy(context.catalog, text(job.parameters, "plan"), machine));
  if (current) {
    const std::string account = TRY(plan(context)).account;
    if (current->account == account) return current->id;
    return error(ErrorCode::failed_precondition,
                 "the DR copy of {} lies in the account {}, the plan names {}; make one there with 'rekindle "
                 "replicate run {}', or name {} in the plan again",
                 machine, current->account, account, current->plan, current->account);
  }
  return error(ErrorCode::failed_precondition,
               "{} has no DR copy yet; make one with 'rekindle replicate run {}' before a disaster", machine,
               text(job.parameters, "plan"));
}

Result<> FailoverSteps::check(StepContext& context) {
  Job& job = context.job;
  const DrPlan found = TRY(plan(context));
  const PlanMachine* machine = TRY(find_machine(found, text(job.parameters, "machine")));
  RecoveryTarget* site = TRY(target(context));
  job.data["dr_copy_id"] = TRY(choose_copy(context));
  TRY(refuse_second_home(context));
  const FailoverSettings wanted = settings_of(found, *machine, kind_of(job));
  job.data["settings"] = TRY(resolve_settings(*site, TRY(copy(context)), wanted));
  const LaunchSpec spec = TRY(launch_spec(context));
  TRY(site->check_launch(spec));
  return {};
}

Result<> put_blocks(ImageWriter& writer, const PatchedDisk::Blocks& blocks, StepContext& context) {
  constexpr std::size_t parallel_puts = 16;
  std::vector<const PatchedDisk::Blocks::value_type*> work;
  for (const auto& block : blocks) work.push_back(&block);
  context.progress.bytes_total = work.size() * image_block_bytes;
  TRY(parallel_for(work.size(), parallel_puts, context.stop, [&](std::size_t i) -> Result<> {
    TRY(writer.put_block(work[i]->first, work[i]->second));
    context.progress.bytes_done += image_block_bytes;
    return {};
  }));
  return writer.complete(context.stop);
}

// Nothing is left to do where the copy was converted ahead.
Result<> FailoverSteps::convert(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  const DrCopy source = TRY(copy(context));
  if (source.converted) {
    job.data["boot_image_id"] = source.disks.at(0).image_id;
    job.data["conversion"] = source.conversion;
    job.data["blocks_converted"] = 0;
    return {};
  }
  const MachineDisks disks = TRY(open_copy(*site, source));
  const MachineConversion conversion =
      TRY(convert_machine(disks, source.firmware), "converting {}", source.machine);
  ImageSpec spec;
  spec.size_bytes = source.disks.at(0).size_bytes;
  spec.parent = source.disks.at(0).image_id;
  spec.description = fmt::format("Rekindle: {} converted for failover", source.machine);
  spec.token = token_of(job, "boot-disk");
  spec.tags = tags_of(job, spec.token);
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::image, spec.token));
  const ImageId child = TRY(make_resource(context, entry, [&] { return site->start_image(spec); }));
  job.data["boot_image_id"] = child;
  job.data["conversion"] = conversion.report;
  job.data["blocks_converted"] = conversion.blocks.size();
  const Image state = TRY(site->image(child));
  if (state.state == ImageState::complete) return {};  // an earlier attempt got this far
  if (state.state == ImageState::failed)
    return error(ErrorCode::internal, "the image {} failed at the site: {}", child, state.detail);
  auto writer = TRY(site->open_writer(child));
  return put_blocks(*writer, conversion.blocks, context);
}

Result<> FailoverSteps::register_template(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  const DrCopy source = TRY(copy(context));
  if (!source.template_id.empty()) {  // workflow ami: it is there
    job.data["template_id"] = source.template_id;
    return {};
  }
  const std::string name = token_of(job, "template");
  const TemplateSpec spec =
      template_of(source, ImageId(text(job.data, "boot_image_id")), name, tags_of(job, name));
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::machine_template, spec.name));
  job.data["template_id"] = TRY(make_resource(context, entry, [&] { return site->register_template(spec); }));
  return {};
}

Result<> FailoverSteps::launch(StepContext& context) {
  Job& job = context.job;
  RecoveryTarget* site = TRY(target(context));
  TRY(refuse_second_home(context));  // again: a resumed job may be days old
  LaunchSpec spec = TRY(launch_spec(context));
  const FailoverSettings resolved = TRY(settings(context));
  std::vector<std::string> types = {spec.instance_type};
  types.insert(types.end(), resolved.other_instance_types.begin(), resolved.other_instance_types.end());
  const auto token_for = [&](std::size_t i) {
    return i == 0 ? token_of(job, "instance") : fmt::format("{}-{}", token_of(job, "instance"), i + 1);
  };
  // After a crash: with the type that was being asked for, or there might be two instances.
  std::size_t first = 0;
  for (std::size_t i = 1; i < types.size(); ++i) {
    const auto entry = context.catalog.ledger_entry(token_for(i));
    if (entry.ok() && entry->state != ResourceState::released) first = i;
  }
  Result<InstanceId> launched = error(ErrorCode::internal, "no instance type");
  for (std::size_t i = first; i < types.size(); ++i) {
    spec.instance_type = types[i];
    spec.token = token_for(i);
    spec.tags[token_tag] = spec.token;
    const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::instance, spec.token));
    launched = make_resource(context, entry, [&] { return site->launch(spec); });
    // No capacity is no reason to wait, but to take another type.
    if (launched.ok() || launched.error().code() != ErrorCode::exhausted) break;
    // Only where the site refused: a full disk of ours says the same, when the instance may be there.
    if (TRY(context.catalog.ledger_entry(spec.token)).state != ResourceState::released) break;
    if (i + 1 < types.size()) log::warn("{}; trying {}", launched.error().message(), types[i + 1]);
  }
  job.data["instance_id"] = TRY(std::move(launched));
  job.data["instance_token"] = spec.token;
  job.data["launched"] = context.clock.now();
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
      job.data["volume_ids"] = instance.volume_ids;
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

// What the site could not be told with the launch.
Result<> FailoverSteps::adjust(StepContext& context) {
  Job& job = context.job;
  const LaunchSpec spec = TRY(launch_spec(context));
  const bool stop = TRY(settings(context)).leave_stopped.value_or(false);
  const bool changes = !spec.elastic_ip.empty() || spec.source_dest_check == false;
  if (!changes && !stop) return {};
  RecoveryTarget* site = TRY(target(context));
  const InstanceId id(text(job.data, "instance_id"));
  if (changes) TRY(site->adjust(id, spec));
  if (stop) TRY(site->stop(id));
  const Instance instance = TRY(site->instance(id));
  job.data["private_ip"] = instance.private_ip;
  job.data["public_ip"] = instance.public_ip;
  return {};
}

Result<> FailoverSteps::wait_service(StepContext& context) {
  const Job& job = context.job;
  const DrPlan found = TRY(plan(context));
  const FailoverSettings resolved = TRY(settings(context));
  if (resolved.health_check.empty() || resolved.leave_stopped.value_or(false)) return {};
  RecoveryTarget* site = TRY(target(context));
  const InstanceId id(text(job.data, "instance_id"));
  Instance there;
  there.id = id;
  there.private_ip = text(job.data, "private_ip");
  there.public_ip = text(job.data, "public_ip");
  const HealthProbe probe =
      TRY(instance_probe(resolved.health_check, there, parts_.http, *site, context.stop));
  Result<> healthy = wait_until_healthy(
      context.clock, probe, std::chrono::seconds(found.health_check_seconds), context.stop,
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
  const DrPlan found = TRY(plan(context));
  Failover failover;
  failover.id = id_by_job("failover", job.id);
  failover.job_id = job.id;
  failover.plan = found.name;
  failover.machine = source.machine;
  failover.account = found.account;
  failover.kind = kind_of(job);
  failover.instance_id = InstanceId(text(job.data, "instance_id"));
  failover.private_ip = text(job.data, "private_ip");
  failover.public_ip = text(job.data, "public_ip");
  failover.recovery_point_id = source.recovery_point_id;
  failover.recovery_point_time = source.recovery_point_time;
  failover.started = job.created;
  failover.finished = context.clock.now();
  failover.disks = source.disks;
  failover.overlay = source.overlay;
  failover.volume_ids = job.data.value("volume_ids", std::vector<std::string>());
  return context.catalog.transaction([&]() -> Result<> {
    TRY(context.catalog.put(failover));
    TRY(context.catalog.mark_used(text(job.data, "instance_token"), "failover:" + failover.id));
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
  return context.catalog.transaction([&]() -> Result<> {
    auto failover = TRY(context.catalog.get<Failover>(text(context.job.parameters, "failover_id")));
    const bool gives_back = runs_in_production(failover);
    TRY(context.catalog.release_uses("failover:" + failover.id));
    TRY(context.catalog.release_uses("rehearsal:" + failover.id));
    failover.state = FailoverState::released;
    TRY(context.catalog.put(failover));
    if (!gives_back) return {};  // of one that came home the machine is at home already
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
      {"adjust", "AWS proxy", "giving it its addresses", method_of(steps, &FailoverSteps::adjust)},
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
         TRY(sweep_job(context.catalog, sites, context.clock, failover.job_id));
         // And the snapshots of the instance that its backups kept.
         TRY(sweep_finished_jobs(context.catalog, sites, context.clock, failover.account));
         return {};
       }},
  };
  procedure.clean_up = [](StepContext&) -> Result<> { return {}; };
  return procedure;
}

}  // namespace rekindle
