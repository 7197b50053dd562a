#include "recover/failback.h"

#include <algorithm>
#include <memory>

#include "base/crash_point.h"
#include "base/log.h"
#include "model/json.h"
#include "recover/failback_destination.h"
#include "recover/failback_forecast.h"
#include "recover/failback_steps.h"

namespace rekindle {

nlohmann::json parameters_of(const FailbackRequest& request) {
  return {{"plan", request.plan},        {"machine", request.machine},
          {"test", request.test},        {"failover_id", request.failover_id},
          {"ask", request.ask},          {"to", request.to},
          {"as_it_is", request.as_it_is}};
}

std::string failback_token(const Job& job, std::string_view what) {
  return fmt::format("rekindle-{}-{}", job.id, what);
}

FailbackRequest failback_request_of(const Job& job) {
  FailbackRequest request;
  request.plan = text(job.parameters, "plan");
  request.machine = text(job.parameters, "machine");
  request.failover_id = text(job.parameters, "failover_id");
  request.test = job.parameters.value("test", false);
  request.ask = job.parameters.value("ask", false);
  request.as_it_is = job.parameters.value("as_it_is", false);
  request.to = job.parameters.value("to", ComeHomeTo::automatic);
  return request;
}

namespace {

constexpr std::uint64_t small_pass_bytes = 64 * mib;
constexpr std::size_t most_passes = 8;
// While a person is asked. Each pass is a recovery point: a wait of a night must not crowd out those of the
// weeks before.
constexpr std::chrono::minutes first_pause_while_asking{1};
constexpr std::chrono::minutes longest_pause_while_asking{10};

bool converged(const nlohmann::json& passes) {
  const std::size_t count = passes.size();
  if (count == 0) return false;
  const auto changed = [&](std::size_t i) { return passes.at(i).value("bytes_changed", std::uint64_t{0}); };
  if (changed(count - 1) <= small_pass_bytes || count >= most_passes) return true;
  // It writes as fast as we copy: more passes would not make the last one shorter.
  return count >= 2 && changed(count - 1) * 10 > changed(count - 2) * 7;
}

// A guest that is still set up for the account may not start at home: better said while its service runs.
Result<> refuse_as_it_is(const Job& job, const nlohmann::json& pass) {
  if (is_rehearsal(job) || job.parameters.value("as_it_is", false)) return {};
  const nlohmann::json undone = pass.value("undone", nlohmann::json());
  if (!undone.is_object() || !undone.contains("not_undone")) return {};
  return error(ErrorCode::failed_precondition,
               "its conversion for the account could not be undone ({}), so that it may not start at home: "
               "rehearse it with '--test', or let it come home with '--as-it-is'",
               text(undone, "not_undone"));
}

}  // namespace

Result<FailbackSettings> Failback::settings(StepContext& context) {
  const DrPlan found = TRY(plan(context));
  const PlanMachine* machine = TRY(find_machine(found, text(context.job.parameters, "machine")));
  return failback_settings_of(found, *machine);
}

Result<RecoveryTarget*> Failback::account(StepContext& context) {
  const Failover found = TRY(failover(context));
  return parts_.sites.account(found.account);
}

// What the machine was when it left.
Result<RecoveryPoint> Failback::base(StepContext& context) {
  const Failover found = TRY(failover(context));
  return TRY(context.catalog.get<RecoveryPoint>(found.recovery_point_id.str()),
             "the recovery point that {} was started from", found.machine);
}

Result<> Failback::check(StepContext& context) {
  Job& job = context.job;
  const FailbackRequest request = failback_request_of(job);
  const Failover found = TRY(failover(context));
  if (!runs_in_production(found)) {
    return error(ErrorCode::failed_precondition, "{} does not run in the account any more", found.machine);
  }
  const DrPlan of_plan = TRY(plan(context));
  const Destination destination = TRY(find_destination(context.catalog, parts_.sites, of_plan, request));
  job.data["datacenter"] = destination.datacenter;
  RestoreTarget* target = TRY(home(job));
  job.data["makes_new"] = destination.machine_id.empty();
  job.data["original_is_there"] = destination.original_is_there;
  if (!destination.machine_id.empty()) {
    job.data["machine_id"] = destination.machine_id;
    return {};
  }
  const RecoveryPoint left = TRY(base(context));
  const NewMachine wanted = TRY(
      new_machine_of(of_plan, left, request, destination.original_is_there, failback_token(job, "machine")));
  return target->check_new_machine(wanted);
}

// Which point the next write brings home. Kept before the first byte is written, so that a job that dies goes
// on with the same one.
Result<> Failback::back_up_instance(StepContext& context) {
  Job& job = context.job;
  if (job.data.contains("pass")) return {};
  const Time began = context.clock.now();
  const InstanceBackupRequest request{text(job.parameters, "machine"), text(job.parameters, "failover_id")};
  const Job child = TRY(parts_.back_up(request, context.stop), "backing up the instance");
  TRY(outcome(child), "backing up the instance");
  const auto point = child.data.at("point").get<RecoveryPoint>();
  job.data["pass"] = {{"point", point.id},
                      {"bytes_changed", point.bytes_changed},
                      {"bytes_read", point.bytes_read},
                      {"began", began},
                      {"undone", child.data.value("undone", nlohmann::json())}};
  return context.catalog.save_job(job);
}

Result<> Failback::pass(StepContext& context) {
  Job& job = context.job;
  TRY(take_home_again(context));
  TRY(back_up_instance(context));
  TRY(refuse_as_it_is(job, job.data.at("pass")));
  nlohmann::json record = job.data.at("pass");
  const RecoveryPointId point = record.at("point").get<RecoveryPointId>();
  auto disks = job.data.at("disks").get<std::vector<DiskAtHome>>();
  const RecoveryPoint left = TRY(base(context));
  const std::string written = text(job.data, "written");
  if (job.data.value("writing", false)) {  // a new disk that an earlier attempt wrote to
    for (DiskAtHome& disk : disks) disk.blank = false;
    TRY(thaw_leftovers(context));
  }
  job.data["writing"] = true;
  TRY(context.catalog.save_job(job));
  crash_point("failback/pass/writing");
  Vault* vault = TRY(parts_.vaults.vault(left.vault));
  RestoreTarget* target = TRY(home(job));
  const BroughtHome brought = TRY(bring_home(*vault, *target, home_of(job), disks,
                                             written.empty() ? left.id : RecoveryPointId(written), point,
                                             context.progress, context.stop));
  record["bytes_written"] = brought.bytes_written;
  record["milliseconds"] = (context.clock.now() - record.at("began").get<Time>()).count();
  for (DiskAtHome& disk : disks) disk = {disk.at_home, disk.in_point, true, {}, false};
  if (brought.bytes_written > 0) TRY(note_written(context, disks, brought.areas));
  job.data["disks"] = disks;
  job.data["written"] = point;
  job.data["passes"].push_back(record);
  job.data.erase("pass");
  job.data.erase("writing");
  return context.catalog.save_job(job);
}

// Passes go on meanwhile, so that the last one stays short.
Result<> Failback::wait_for_approval(StepContext& context) {
  Job& job = context.job;
  const std::string id = approval_id(job.id, failback_approval);
  const auto approved = [&] { return context.catalog.get<Approval>(id).ok(); };
  if (approved()) return {};
  job.data["waits"] = true;
  TRY(context.catalog.save_job(job));
  log::warn(
      "{}: ready to come home; its service will be away for about {}. Say go: rekindle failback approve {}",
      text(job.parameters, "machine"),
      human_duration(std::chrono::milliseconds(job.data.value("forecast_ms", std::int64_t{0}))),
      text(job.parameters, "plan"));
  const Result<> waited = go_on_copying(context, approved);
  job.data.erase("waits");
  return waited;
}

Result<> Failback::go_on_copying(StepContext& context, const std::function<bool()>& approved) {
  std::chrono::nanoseconds pause = first_pause_while_asking;
  auto last = context.clock.ticks();
  bool is_behind = false;
  while (!approved()) {
    if (!context.clock.sleep(std::chrono::milliseconds(300), context.stop))
      return error(ErrorCode::cancelled, "cancelled by the user");
    if (context.clock.ticks() - last < pause) continue;
    const Result<> copied = pass(context);
    if (!copied.ok() && context.stop.stop_requested()) return copied;
    // The person may answer in hours: what fails now may work then.
    is_behind = !copied.ok();
    if (is_behind)
      log::warn("{}: a pass failed; trying again: {}", context.job.subject, copied.error().message());
    pause = std::min<std::chrono::nanoseconds>(2 * pause, longest_pause_while_asking);
    last = context.clock.ticks();
  }
  // The service is still there: what changed meanwhile must not be copied while it is away, nor what is wrong
  // show only then.
  if (!is_behind && context.clock.ticks() - last < first_pause_while_asking) return {};
  return pass(context);
}

Result<> Failback::copy(StepContext& context) {
  Job& job = context.job;
  if (!job.data.contains("passes")) job.data["passes"] = nlohmann::json::array();
  const auto is_enough = [&] {
    return is_rehearsal(job) ? !job.data.at("passes").empty() : converged(job.data.at("passes"));
  };
  while (!is_enough()) TRY(pass(context), "pass {}", job.data.at("passes").size() + 1);
  if (is_rehearsal(job)) return {};
  const DrPlan of_plan = TRY(plan(context));
  const DowntimeForecast forecast = TRY(
      forecast_downtime(context.catalog, of_plan, text(job.parameters, "machine"), job.data.at("passes")));
  job.data["forecast_ms"] = forecast.total.count();
  return job.parameters.value("ask", false) ? wait_for_approval(context) : Result<>();
}

JobProcedure failback_procedure(FailbackParts parts) {
  auto steps = std::make_shared<Failback>(std::move(parts));
  JobProcedure procedure;
  procedure.kind = JobKind::failback;
  procedure.steps = {
      {"check", "backup proxy", "looking where it comes home to", method_of(steps, &Failback::check)},
      {"prepare", "backup proxy", "preparing the VM at home", method_of(steps, &Failback::prepare)},
      {"copy", "backup proxy", "copying while it runs", method_of(steps, &Failback::copy)},
      {"mark", "backup proxy", "marking the VM's disks", method_of(steps, &Failback::mark)},
      {"stop", "AWS proxy", "stopping the instance", method_of(steps, &Failback::stop)},
      {"last_copy", "backup proxy", "copying the last changes", method_of(steps, &Failback::last_copy)},
      {"start", "backup proxy", "starting the VM", method_of(steps, &Failback::start)},
      {"wait_service", "backup proxy", "waiting for its service", method_of(steps, &Failback::wait_service)},
      {"record", "control plane", "recording that it is at home", method_of(steps, &Failback::record), true},
      {"tidy", "control plane", "removing what is not needed any more", method_of(steps, &Failback::tidy),
       true},
  };
  procedure.clean_up = method_of(steps, &Failback::clean_up);
  procedure.must_clean_up = true;
  return procedure;
}

}  // namespace rekindle
