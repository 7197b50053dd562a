// The instance of a failover: from its launch until its service answers.
#include "base/log.h"
#include "jobs/make_resource.h"
#include "jobs/settling.h"
#include "jobs/sweep.h"
#include "model/json.h"
#include "recover/failover_steps.h"
#include "recover/health_check.h"

namespace rekindle {

namespace {

std::string candidate_token(const Job& job, std::size_t i) {
  const std::string token = failover_token(job, "instance");
  return i == 0 ? token : fmt::format("{}-{}", token, i + 1);
}

// Which one is to be launched, by the ledger, whatever became of the process that wrote it: one that was
// asked for and may be there, or there might be two instances; else the first that was not tried.
// Released are those that the site refused, and those that died.
Result<std::size_t> next_candidate(StepContext& context, std::size_t count) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = context.catalog.ledger_entry(candidate_token(context.job, i));
    if (entry.ok()) {
      next = entry->state == ResourceState::released ? i + 1 : i;
    } else if (entry.error().code() != ErrorCode::not_found) {
      return entry.error();
    }
  }
  return next;
}

// A type that a zone does not offer is `invalid_argument`. An address that is taken is no reason to take
// another: what has it may be the machine.
bool another_may_do(const Error& error) {
  return error.code() == ErrorCode::exhausted || error.code() == ErrorCode::invalid_argument;
}

std::string token_of_instance(const Job& job) {
  return text(job.data, "instance_token");
}

Error did_not_start(const Instance& instance) {
  return error(ErrorCode::exhausted,
               "the instance {} did not start: {}; choose another instance type or subnet in the DR plan, or "
               "name more of them in other_instance_types and other_subnets",
               instance.id, instance.state_reason.empty() ? "no reason was given" : instance.state_reason);
}

}  // namespace

// As check found them. A job of an earlier version knows one subnet.
Result<std::vector<LaunchCandidate>> FailoverSteps::candidates(StepContext& context) {
  const auto& data = context.job.data;
  if (data.contains("candidates")) return data.at("candidates").get<std::vector<LaunchCandidate>>();
  const FailoverSettings resolved = TRY(settings(context));
  std::vector<LaunchCandidate> found = {{resolved.instance_type, resolved.subnet_id, resolved.private_ip}};
  for (const std::string& type : resolved.other_instance_types)
    found.push_back({type, resolved.subnet_id, resolved.private_ip});
  return found;
}

Result<> FailoverSteps::launch(StepContext& context) {
  TRY(refuse_second_home(context));  // again: a resumed job may be days old
  return launch_next(context);
}

Result<InstanceId> FailoverSteps::launch_candidate(StepContext& context, const LaunchSpec& spec) {
  RecoveryTarget* site = TRY(target(context));
  const LedgerEntry entry = TRY(ledger_entry(context, ResourceKind::instance, spec.token));
  return make_resource(context, entry, [&]() -> Result<InstanceId> {
    auto launched = site->launch(spec);
    const bool about_template =
        !launched.ok() && launched.error().message().find(spec.image_template.str()) != std::string::npos;
    if (!about_template) return launched;
    return ask_patiently(context, failover_token(context.job, "template"),
                         [&] { return site->launch(spec); });
  });
}

// No room is no reason to wait, but to take another candidate.
Result<> FailoverSteps::launch_next(StepContext& context) {
  Job& job = context.job;
  const auto all = TRY(candidates(context));
  LaunchSpec spec = TRY(launch_spec(context));
  Result<InstanceId> launched =
      error(ErrorCode::exhausted,
            "none of the instance types and subnets of {} in the DR plan had room; name others in "
            "other_instance_types and other_subnets",
            text(job.parameters, "machine"));
  Result<> first;
  for (std::size_t i = TRY(next_candidate(context, all.size())); i < all.size(); ++i) {
    start_as(spec, all[i]);
    spec.token = candidate_token(job, i);
    spec.tags[token_tag] = spec.token;
    launched = launch_candidate(context, spec);
    if (launched.ok() || !another_may_do(launched.error())) break;
    // Only where the site refused: a full disk of ours says the same, when the instance may be there.
    if (TRY(context.catalog.ledger_entry(spec.token)).state != ResourceState::released) break;
    if (i + 1 == all.size()) break;
    if (first.ok()) first = launched.error();
    log::warn("{}; trying {} in {}", launched.error().message(), all[i + 1].instance_type,
              all[i + 1].subnet_id);
  }
  if (!launched.ok() && !first.ok() && first.error().message() != launched.error().message()) {
    return error(launched.error().code(), "{}; and the last of the others: {}", first.error().message(),
                 launched.error().message());
  }
  job.data["instance_id"] = TRY(std::move(launched));
  job.data["instance_token"] = spec.token;
  job.data["launched"] = context.clock.now();
  return {};
}

Result<Instance> FailoverSteps::wait_while_pending(StepContext& context) {
  RecoveryTarget* site = TRY(target(context));
  const InstanceId id(text(context.job.data, "instance_id"));
  constexpr int polls = 600;
  for (int poll = 0; poll < polls; ++poll) {
    Instance instance =
        TRY(ask_patiently(context, token_of_instance(context.job), [&] { return site->instance(id); }));
    if (instance.state != InstanceState::pending) return instance;
    if (!context.clock.sleep(std::chrono::milliseconds(poll < 20 ? 100 : 1000), context.stop)) {
      return error(ErrorCode::cancelled, "cancelled by the user");
    }
  }
  return error(ErrorCode::exhausted, "the instance {} is still pending after ten minutes", id);
}

// It leaves the ledger only when it is gone, and the next one is launched only when it has left.
Result<> FailoverSteps::give_up_instance(StepContext& context, const Instance& dead) {
  RecoveryTarget* site = TRY(target(context));
  log::warn("the instance {} did not start: {}; trying another type or subnet", dead.id, dead.state_reason);
  TRY(terminate_and_wait(*site, context.clock, dead.id));
  return context.catalog.mark_released(token_of_instance(context.job));
}

Result<> FailoverSteps::wait_running(StepContext& context) {
  Job& job = context.job;
  const std::size_t count = TRY(candidates(context)).size();
  for (;;) {
    const LedgerEntry entry = TRY(context.catalog.ledger_entry(token_of_instance(job)));
    if (entry.state == ResourceState::released) TRY(launch_next(context));
    const Instance instance = TRY(wait_while_pending(context));
    if (instance.state == InstanceState::running) {
      job.data["private_ip"] = instance.private_ip;
      job.data["public_ip"] = instance.public_ip;
      job.data["volume_ids"] = instance.volume_ids;
      return {};
    }
    const bool has_another = TRY(next_candidate(context, count)) + 1 < count;
    if (!instance.had_no_capacity || !has_another) return did_not_start(instance);
    TRY(give_up_instance(context, instance));
  }
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
  const std::string token = token_of_instance(job);
  if (changes) TRY(ask_patiently(context, token, [&] { return site->adjust(id, spec); }));
  if (stop) TRY(ask_patiently(context, token, [&] { return site->stop(id); }));
  const Instance instance = TRY(ask_patiently(context, token, [&] { return site->instance(id); }));
  job.data["private_ip"] = instance.private_ip;
  job.data["public_ip"] = instance.public_ip;
  return {};
}

Result<> FailoverSteps::wait_until_it_answers(StepContext& context, bool& died) {
  const Job& job = context.job;
  const DrPlan found = TRY(plan(context));
  const FailoverSettings resolved = TRY(settings(context));
  RecoveryTarget* site = TRY(target(context));
  Instance there;
  there.id = InstanceId(text(job.data, "instance_id"));
  there.private_ip = text(job.data, "private_ip");
  there.public_ip = text(job.data, "public_ip");
  const HealthProbe probe =
      TRY(instance_probe(resolved.health_check, there, parts_.http, *site, context.stop));
  return wait_until_healthy(
      context.clock, probe, std::chrono::seconds(found.health_check_seconds), context.stop,
      [&]() -> Result<> {
        const auto instance =
            ask_patiently(context, token_of_instance(job), [&] { return site->instance(there.id); });
        if (!instance.ok() && instance.error().transient()) return {};  // not known is not dead
        died = instance.ok() ? instance->state != InstanceState::running
                             : instance.error().code() == ErrorCode::not_found;
        if (!instance.ok()) return instance.error();
        if (!died) return {};
        return error(ErrorCode::internal, "the instance {} stopped: {}", there.id, instance->state_reason);
      });
}

Result<> FailoverSteps::wait_service(StepContext& context) {
  const Job& job = context.job;
  const FailoverSettings resolved = TRY(settings(context));
  if (resolved.health_check.empty() || resolved.leave_stopped.value_or(false)) return {};
  bool died = false;
  const Result<> healthy = wait_until_it_answers(context, died);
  if (healthy.ok() || healthy.error().code() == ErrorCode::cancelled) return healthy;
  RecoveryTarget* site = TRY(target(context));
  const InstanceId id(text(job.data, "instance_id"));
  // What the person at the other end needs most: the last thing the machine said.
  const auto console = site->console_output(id);
  Error failure =
      Error(healthy.error()).context("{}", console.ok() ? last_console_line(*console) : "no console output");
  if (died || failover_kind_of(job) == FailoverKind::test) return failure;
  // Late is not broken: clients may write to it by now, and nobody but a person may throw that away.
  TRY(record(context));
  return error(failure.code(),
               "{} runs as {} ({}) and stays, but its service was not seen to answer: {}; look at it there, "
               "or end it with 'rekindle failover clean-up {}'",
               text(job.parameters, "machine"), id, text(job.data, "private_ip"), failure.message(),
               text(job.parameters, "plan"));
}

}  // namespace rekindle
