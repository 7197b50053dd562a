#include "recover/failover_forecast.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "jobs/dr_copies.h"
#include "model/json.h"
#include "recover/plan_failover.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

// Of a failover's job, until the service answers; what comes after is nobody's wait.
constexpr const char* stages[] = {"check",        "convert", "register",    "launch",
                                  "wait_running", "adjust",  "wait_service"};
constexpr std::size_t most_runs = 5;

// Shorter ones are not worth a word.
constexpr milliseconds shortest_told{100};

using Run = std::map<std::string, milliseconds>;  // by stage; a conversion only where there was one

// A step that was tried again has more than one timing.
Run run_of(const Job& job) {
  Run run;
  for (const StepTiming& timing : job.timings) run[timing.step] += milliseconds(timing.milliseconds);
  if (job.data.value("blocks_converted", 0) == 0) run.erase("convert");
  return run;
}

std::optional<milliseconds> median_of(const std::vector<Run>& runs, const std::string& stage) {
  std::vector<milliseconds> durations;
  for (const Run& run : runs) {
    if (const auto found = run.find(stage); found != run.end()) durations.push_back(found->second);
  }
  if (durations.empty()) return std::nullopt;
  std::sort(durations.begin(), durations.end());
  return durations[durations.size() / 2];
}

class Forecaster {
 public:
  Forecaster(Catalog& catalog, const DrPlan& plan) : catalog_(catalog), plan_(plan) {}
  Result<FailoverForecast> forecast();

 private:
  Result<> look_at_runs();
  Result<MachineForecast> of_machine(const std::string& machine);
  Result<StepForecast> of_step(const PlanStep& step, const FailoverForecast& so_far);
  Result<std::optional<milliseconds>> script_of(const PlanStep& step);

  Catalog& catalog_;
  const DrPlan& plan_;
  std::map<std::string, std::vector<Run>> runs_;  // by machine, the newest first
  std::vector<Run> all_runs_;
};

Result<> Forecaster::look_at_runs() {
  for (const PlanMachine& machine : plan_.machines) {
    const auto jobs = TRY(catalog_.jobs_of(machine.machine));
    std::vector<Run>& runs = runs_[machine.machine];
    for (auto job = jobs.rbegin(); job != jobs.rend() && runs.size() < most_runs; ++job) {
      const bool counts = job->kind == JobKind::failover && job->state == JobState::succeeded;
      if (counts && !job->timings.empty()) runs.push_back(run_of(*job));
    }
    all_runs_.insert(all_runs_.end(), runs.begin(), runs.end());
  }
  return {};
}

Result<MachineForecast> Forecaster::of_machine(const std::string& machine) {
  const std::vector<Run>& own = runs_[machine];
  const std::vector<Run>& runs = own.empty() ? all_runs_ : own;
  MachineForecast forecast;
  forecast.machine = machine;
  forecast.runs = runs.size();
  forecast.is_of_others = own.empty();
  const auto copy = TRY(current_copy(catalog_, plan_.name, machine));
  for (const std::string stage : stages) {
    if (stage == "convert" && copy && copy->converted) continue;
    if (stage == "register" && copy && !copy->template_id.empty()) continue;
    auto took = median_of(runs, stage);
    if (!took) took = median_of(all_runs_, stage);
    if (!took) {
      if (stage == "convert") forecast.lacks_convert = copy.has_value();
      continue;
    }
    forecast.stages.push_back({stage, *took});
    forecast.total += *took;
  }
  return forecast;
}

// When the script of a step began. Runs of earlier versions tell only when its machines answered.
Time script_begin(const PlanStep& step, const nlohmann::json& state, const nlohmann::json& machines) {
  if (state.contains("script_started")) return state.at("script_started").get<Time>();
  Time begun = state.at("started").get<Time>();
  for (const std::string& machine : step.machines) {
    const auto record = machines.value(machine, nlohmann::json::object());
    if (record.contains("finished")) begun = std::max(begun, record.at("finished").get<Time>());
  }
  return begun;
}

// In its newest run that had one.
Result<std::optional<milliseconds>> Forecaster::script_of(const PlanStep& step) {
  using nlohmann::json;
  const auto jobs = TRY(catalog_.jobs_of(plan_subject(plan_.name)));
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    const json state = job->data.value("steps", json::object()).value(step.name, json::object());
    const bool had_one = state.contains("script_output") || state.contains("script_outputs");
    if (text(state, "state") != "done" || !had_one) continue;
    const Time begun = script_begin(step, state, job->data.value("machines", json::object()));
    const auto took = std::chrono::duration_cast<milliseconds>(state.at("finished").get<Time>() - begun);
    return std::optional(std::max(took, milliseconds(0)));
  }
  return std::optional<milliseconds>();
}

// As the workflow does it: who comes when all places are taken begins when the first is free again.
milliseconds side_by_side(const std::vector<milliseconds>& durations) {
  std::vector<milliseconds> busy_until(std::min(durations.size(), machines_at_once), milliseconds(0));
  for (const milliseconds duration : durations)
    *std::min_element(busy_until.begin(), busy_until.end()) += duration;
  return busy_until.empty() ? milliseconds(0) : *std::max_element(busy_until.begin(), busy_until.end());
}

Result<StepForecast> Forecaster::of_step(const PlanStep& step, const FailoverForecast& so_far) {
  StepForecast forecast;
  forecast.step = step.name;
  forecast.delay = std::chrono::seconds(step.delay_seconds);
  forecast.approval = step.approval;
  std::vector<milliseconds> durations;
  for (const std::string& name : step.machines) {
    for (const MachineForecast& machine : so_far.machines) {
      if (machine.machine == name) durations.push_back(machine.total);
    }
  }
  forecast.machines = side_by_side(durations);
  if (step.script.empty()) return forecast;
  const auto script = TRY(script_of(step));
  forecast.script = script.value_or(milliseconds(0));
  forecast.lacks_script = !script;
  return forecast;
}

Result<FailoverForecast> Forecaster::forecast() {
  TRY(look_at_runs());
  FailoverForecast forecast;
  if (all_runs_.empty()) return forecast;
  for (const PlanMachine& machine : plan_.machines) {
    MachineForecast of_it = TRY(of_machine(machine.machine));
    forecast.machines.push_back(std::move(of_it));
  }
  for (const PlanStep& step : steps_of(plan_)) {
    const StepForecast of_it = TRY(of_step(step, forecast));
    forecast.total += of_it.delay + of_it.machines + of_it.script;
    forecast.steps.push_back(of_it);
  }
  return forecast;
}

std::string in_words(std::string stage) {
  std::replace(stage.begin(), stage.end(), '_', ' ');
  return stage;
}

std::string sentence_of(const StepForecast& step) {
  std::string sentence =
      fmt::format("step {} {}", step.step, human_duration(step.delay + step.machines + step.script));
  std::vector<std::string> parts;
  if (step.delay.count() > 0) parts.push_back(fmt::format("its delay {}", human_duration(step.delay)));
  if (step.script.count() > 0) parts.push_back(fmt::format("its script {}", human_duration(step.script)));
  if (!parts.empty()) sentence += fmt::format(" (of it {})", fmt::join(parts, ", "));
  if (step.lacks_script) sentence += " and its script, which was not measured yet";
  if (step.approval) sentence += " from its approval on";
  return sentence;
}

std::string runs_in_words(std::size_t count) {
  return count == 1 ? "one failover" : fmt::format("{} failovers", count);
}

}  // namespace

Result<FailoverForecast> forecast_failover(Catalog& catalog, const DrPlan& plan) {
  return Forecaster(catalog, plan).forecast();
}

std::string sentence_of(const MachineForecast& forecast) {
  std::vector<std::string> parts;
  for (const StageForecast& stage : forecast.stages) {
    if (stage.took >= shortest_told)
      parts.push_back(fmt::format("{} {}", in_words(stage.stage), human_duration(stage.took)));
  }
  return fmt::format("{}{}{}; {} {}{}", human_duration(forecast.total), parts.empty() ? "" : ": ",
                     fmt::join(parts, ", "),
                     forecast.is_of_others ? "estimated, for it was never failed over, by" : "measured in",
                     runs_in_words(forecast.runs), forecast.is_of_others ? " of other machines" : "") +
         (forecast.lacks_convert ? "; without its conversion, which was not measured yet" : "");
}

std::string sentence_of(const FailoverForecast& forecast) {
  std::vector<std::string> steps;
  for (const StepForecast& step : forecast.steps) steps.push_back(sentence_of(step));
  std::size_t runs = 0;
  std::size_t estimated = 0;
  for (const MachineForecast& machine : forecast.machines) {
    if (machine.is_of_others) ++estimated;
    if (!machine.is_of_others) runs += machine.runs;
  }
  std::string sentence =
      fmt::format("{} from the click to the last answer{}{}; by the stages of {}",
                  human_duration(forecast.total), steps.size() > 1 ? ": " : "",
                  steps.size() > 1 ? fmt::format("{}", fmt::join(steps, ", ")) : "", runs_in_words(runs));
  if (estimated > 0)
    sentence += fmt::format("; {} of {} machines are estimated", estimated, forecast.machines.size());
  return sentence;
}

}  // namespace rekindle
