// How long a failover of a plan will take, by the stages of those that were measured: of the jobs of its
// machines, and of the runs of its workflow.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "model/dr_plan.h"

namespace rekindle {

struct StageForecast {
  std::string stage;  // the step of a failover's job: "wait_running"
  std::chrono::milliseconds took{0};
};

// From its start until its service answers. Each stage is the median of the last five failovers, tests among
// them, of this machine, else of all of the plan's; what its present DR copy has ahead (it is converted, its
// template is there) is left out.
struct MachineForecast {
  std::string machine;
  std::vector<StageForecast> stages;  // in their order
  std::chrono::milliseconds total{0};
  std::size_t runs = 0;        // that it rests on
  bool is_of_others = false;   // none of them is of this machine
  bool lacks_convert = false;  // it will be converted at failover, which no run did
};

struct StepForecast {
  std::string step;
  std::chrono::milliseconds delay{0};     // before it
  std::chrono::milliseconds machines{0};  // side by side, as many as the workflow starts at once
  std::chrono::milliseconds script{0};
  bool lacks_script = false;  // it has one that was not measured yet
  bool approval = false;      // a person is asked before, for as long as that takes
};

struct FailoverForecast {
  std::vector<MachineForecast> machines;  // none: no failover of the plan's machines was measured
  std::vector<StepForecast> steps;
  std::chrono::milliseconds total{0};  // from the click to the last answer
};

// Errors of the catalog.
Result<FailoverForecast> forecast_failover(Catalog& catalog, const DrPlan& plan);

// For people: how long, by which stages, and what it rests on.
std::string sentence_of(const MachineForecast& forecast);
std::string sentence_of(const FailoverForecast& forecast);

}  // namespace rekindle
