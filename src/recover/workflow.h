// One run of a plan's recovery workflow: its steps, their machines (workflow.cc) and scripts
// (workflow_scripts.cc). What several threads write is job.data, under the mutex.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "recover/plan_failover.h"
#include "site/sites.h"

namespace rekindle {

class Workflow {
 public:
  Workflow(StepContext& context, const RunFailover& run_failover, Sites& sites)
      : context_(context), run_failover_(run_failover), sites_(sites) {}

  Result<> run();

 private:
  Result<> run_step(const PlanStep& step);
  Result<> before(const PlanStep& step);
  Result<> wait_for_approval(const PlanStep& step);
  Result<> start_machines(const PlanStep& step);
  Result<> start_machine(const std::string& machine);
  Result<bool> take_up(const std::string& machine);
  Result<std::optional<Failover>> failover_that_runs(const std::string& machine);
  Result<> run_script(const PlanStep& step);
  Result<> run_here(const PlanStep& step);
  Result<> run_in_guests(const PlanStep& step);
  Result<> run_in(const PlanStep& step, const std::string& machine, GuestScripts& scripts);
  Result<InstanceId> started_instance(const std::string& machine);
  std::map<std::string, std::string> environment_of(const PlanStep& step);
  Result<> save();
  nlohmann::json machines_so_far();
  nlohmann::json& state_of(const PlanStep& step) {
    nlohmann::json& state = context_.job.data["steps"][step.name];
    if (state.is_null()) state = nlohmann::json::object();
    return state;
  }
  void note(const PlanStep& step, const char* key, nlohmann::json value);
  void note_once(const PlanStep& step, const char* key, nlohmann::json value);
  Result<> note_of_script(const PlanStep& step, const char* key, const std::string& machine,
                          nlohmann::json value);
  Result<> note_running(const Failover& failover);

  StepContext& context_;
  const RunFailover& run_failover_;
  Sites& sites_;
  std::mutex mutex_;
};

// Side by side. All are tried; the first error is returned.
Result<> try_each(const std::vector<std::string>& machines,
                  const std::function<Result<>(std::size_t i)>& perform);

// Those of `machines` that are named in words["machines"], or all.
std::vector<std::string> chosen_of(const std::vector<std::string>& machines, const nlohmann::json& words);

// Asks the agents to end what this job's process left running inside machines when it died. What cannot be
// asked is logged.
void end_scripts(StepContext& context, Sites& sites);

}  // namespace rekindle
