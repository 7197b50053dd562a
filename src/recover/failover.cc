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
#include "recover/encrypted_start.h"
#include "recover/failover_steps.h"
#include "recover/second_home.h"

namespace rekindle {

nlohmann::json parameters_of(const FailoverRequest& request) {
  nlohmann::json parameters = {{"plan", request.plan},
                               {"machine", request.machine},
                               {"kind", request.kind},
                               {"datacenter_is_down", request.datacenter_is_down},
                               {"dr_copy_id", request.dr_copy_id},
                               {"run", request.run}};
  // Else absent: a run knows the jobs of its machines by their parameters, also those of an earlier version.
  if (request.expires != Time()) parameters["expires"] = request.expires;
  return parameters;
}

std::string failover_token(const Job& job, std::string_view what) {
  return fmt::format("rekindle-{}-{}", job.id, what);
}

namespace {

Tags tags_of(const Job& job, const std::string& token) {
  return {{token_tag, token},
          {"rekindle:job", job.id.str()},
          {"rekindle:plan", text(job.parameters, "plan")},
          {"rekindle:machine", text(job.parameters, "machine")}};
}

}  // namespace

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
  const FailoverKind kind = failover_kind_of(context.job);
  const std::string machine = text(context.job.parameters, "machine");
  TRY(refuse_second_instance(context.catalog, machine, kind));
  const auto failovers = TRY(context.catalog.list<Failover>(machine));
  for (const Failover& other : failovers) {
    if (other.kind == kind && other.state == FailoverState::returned) TRY(leave_the_old_home(context, other));
  }
  const bool asks =
      kind == FailoverKind::production && !context.job.parameters.value("datacenter_is_down", false);
  return asks ? refuse_while_it_runs(context.job) : Result<>();
}

// The machine came home from there, and its stopped instance is kept. It may go, and its address be free,
// only where the DR copy has all that it wrote.
Result<> FailoverSteps::leave_the_old_home(StepContext& context, const Failover& returned) {
  const DrCopy chosen = TRY(copy(context));
  TRY(refuse_older_copy(context.catalog, returned, chosen));
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
  spec.token = failover_token(job, "instance");
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
  const FailoverSettings wanted = settings_of(found, *machine, failover_kind_of(job));
  const DrCopy source = TRY(copy(context));
  for (const CopyDamage& damage : source.damaged) {  // better than nothing, in a disaster
    log::warn("{}: disk {} of its DR copy is damaged: block {} is not what the recovery point says",
              source.machine, damage.disk_id, damage.block);
  }
  TRY(refuse_noise(*site, source, wanted));
  const LaunchChoice choice = TRY(resolve_candidates(*site, source, wanted));
  for (const std::string& remark : choice.remarks) log::warn("{}: {}", machine->machine, remark);
  job.data["settings"] = choice.settings;
  job.data["candidates"] = choice.candidates;
  return check_candidates(context, *site);
}

// One that the site has no room for is no reason not to begin: another one may do.
Result<> FailoverSteps::check_candidates(StepContext& context, RecoveryTarget& site) {
  const auto all = TRY(candidates(context));
  LaunchSpec spec = TRY(launch_spec(context));
  Result<> first;
  for (const LaunchCandidate& candidate : all) {
    start_as(spec, candidate);
    const auto accepted = site.check_launch(spec);
    if (accepted.ok()) return {};
    if (first.ok()) first = accepted.error();
    if (accepted.error().code() != ErrorCode::exhausted) break;
  }
  return first;
}

namespace {

Result<> put_blocks(ImageWriter& writer, const PatchedDisk::Blocks& blocks, StepContext& context) {
  std::vector<const PatchedDisk::Blocks::value_type*> work;
  for (const auto& block : blocks) work.push_back(&block);
  context.progress.bytes_total = work.size() * image_block_bytes;
  writer.stop_with(context.stop);
  TRY(parallel_for(work.size(), writer.puts_in_flight(), context.stop, [&](std::size_t i) -> Result<> {
    TRY(writer.put_block(work[i]->first, work[i]->second));
    context.progress.bytes_done += image_block_bytes;
    return {};
  }));
  return writer.complete(context.stop);
}

}  // namespace

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
  spec.token = failover_token(job, "boot-disk");
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
  const std::string name = failover_token(job, "template");
  const TemplateSpec spec =
      template_of(source, ImageId(text(job.data, "boot_image_id")), name, tags_of(job, name));
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::machine_template, spec.name));
  job.data["template_id"] = TRY(make_resource(context, entry, [&] { return site->register_template(spec); }));
  return {};
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
  failover.kind = failover_kind_of(job);
  failover.instance_id = InstanceId(text(job.data, "instance_id"));
  failover.private_ip = text(job.data, "private_ip");
  failover.public_ip = text(job.data, "public_ip");
  failover.recovery_point_id = source.recovery_point_id;
  failover.recovery_point_time = source.recovery_point_time;
  failover.started = job.created;
  failover.finished = context.clock.now();
  if (failover.kind == FailoverKind::test) failover.expires = job.parameters.value("expires", Time());
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

}  // namespace rekindle
