// The steps of a failover: what is prepared and recorded in failover.cc, the instance in failover_launch.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jobs/job_runner.h"
#include "recover/failover.h"
#include "recover/launch_settings.h"
#include "site/recovery_target.h"

namespace rekindle {

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
  Result<> leave_the_old_home(StepContext& context, const Failover& returned);
  Result<> refuse_while_it_runs(Job& job);
  Result<LedgerEntry> ledger_entry(StepContext& context, ResourceKind kind, const std::string& token);
  Result<LaunchSpec> launch_spec(StepContext& context);
  Result<> check_candidates(StepContext& context, RecoveryTarget& site);
  Result<std::vector<LaunchCandidate>> candidates(StepContext& context);
  Result<> launch_next(StepContext& context);
  Result<InstanceId> launch_candidate(StepContext& context, const LaunchSpec& spec);
  Result<Instance> wait_while_pending(StepContext& context);
  Result<> give_up_instance(StepContext& context, const Instance& dead);
  Result<> wait_until_it_answers(StepContext& context, bool& died);

  FailoverParts parts_;
};

inline FailoverKind failover_kind_of(const Job& job) {
  return job.parameters.value("kind", FailoverKind::production);
}

// Of what the job makes, in the ledger and at the site.
std::string failover_token(const Job& job, std::string_view what);

}  // namespace rekindle
