// Whether the DR plans would work, asked again and again by the daemon.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/workplace.h"
#include "recover/preflight.h"

namespace rekindle {

// The preflight of a plan with what this workplace has.
Result<Preflight> check_plan_readiness(Workplace& workplace, const std::string& plan, FailoverKind kind);

// What is worth telling of one preflight after the other: what is not green and was not so the last time.
// Numbers of the sentence do not count: a copy that is an hour older is nothing new. One thread at a time.
class PlanNews {
 public:
  // A sentence for each.
  std::vector<std::string> of(const std::string& plan, const Preflight& preflight);

 private:
  std::map<std::string, std::set<std::string>> said_;  // by plan, without numbers
};

struct PlanWatch {
  Clock& clock;
  std::function<Result<std::vector<DrPlan>>()> plans;
  std::function<Result<Preflight>(const std::string& plan, FailoverKind kind)> check;
  std::function<void(const std::string& sentence)> tell;
};

// Tells the news of every plan's production failover, and of its tests where the plan says how they differ
// ("test launch is red"), now and once an hour, until it is told to stop. A look that fails is told, too.
void watch_plans(const PlanWatch& watch, const std::stop_token& stop);

// The same with what this workplace has; told are warnings in the log.
void watch_plans(Workplace& workplace, const std::stop_token& stop);

}  // namespace rekindle
