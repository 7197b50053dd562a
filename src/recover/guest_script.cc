#include "recover/guest_script.h"

#include <utility>

#include "base/log.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto poll_pause = milliseconds(1000);
// The agent ends a script that takes too long, and says so: until then it is not ended twice.
constexpr auto agent_slack = seconds(60);
constexpr int starts = 3;
// How often a script is looked for whose answer was lost: lists lag by some seconds.
constexpr int looks = 5;
constexpr auto look_pause = milliseconds(2000);

class GuestRun {
 public:
  GuestRun(GuestScripts& scripts, const GuestScript& script, Clock& clock, std::stop_token stop)
      : scripts_(scripts), script_(script), clock_(clock), stop_(std::move(stop)) {}

  Result<ScriptOutcome> run() {
    auto known = TRY(scripts_.find_script(script_.instance, script_.token));
    if (!known) {
      TRY(wait_for_agent());
      known = TRY(start());
    }
    return wait_for_end(*known);
  }

 private:
  Result<> pause(milliseconds duration) {
    if (clock_.sleep(duration, stop_)) return {};
    return error(ErrorCode::cancelled, "cancelled by the user");
  }

  // Where it does not come, the refusal of the start says best what it may lack.
  Result<> wait_for_agent() {
    const auto deadline = clock_.ticks() + script_.patience;
    while (clock_.ticks() < deadline) {
      const auto takes = scripts_.takes_scripts(script_.instance);
      if (!takes.ok() && takes.error().code() != ErrorCode::unavailable) return takes.error();
      if (takes.ok() && *takes) return {};
      TRY(pause(poll_pause));
    }
    return {};
  }

  Result<std::string> start() {
    Result<std::string> started = scripts_.start_script(script_);
    for (int i = 1; i < starts && !started.ok() && started.error().code() == ErrorCode::unavailable; ++i) {
      if (auto found = TRY(look_for_it())) return *std::move(found);
      started = scripts_.start_script(script_);
    }
    return started;
  }

  Result<std::optional<std::string>> look_for_it() {
    for (int i = 0; i < looks; ++i) {
      TRY(pause(look_pause));
      auto found = scripts_.find_script(script_.instance, script_.token);
      if (found.ok() && *found) return found;
    }
    return std::optional<std::string>();
  }

  Result<ScriptOutcome> wait_for_end(const std::string& id) {
    const auto deadline = clock_.ticks() + script_.patience + agent_slack;
    for (;;) {
      const auto state = scripts_.script_state(script_.instance, id);
      if (!state.ok() && state.error().code() != ErrorCode::unavailable) return state.error();
      if (state.ok() && state->ended) return outcome_of(*state);
      if (clock_.ticks() >= deadline) {
        cancel(id);
        if (!state.ok()) return state.error();
        return error(ErrorCode::failed_precondition, "it was still running after {} and was ended",
                     human_duration(script_.patience));
      }
      if (const Result<> slept = pause(poll_pause); !slept.ok()) {
        cancel(id);
        return slept.error();
      }
    }
  }

  void cancel(const std::string& id) {
    const Result<> cancelled = scripts_.cancel_script(script_.instance, id);
    if (!cancelled.ok())
      log::warn("the script {} in {} may go on: {}", id, script_.instance, cancelled.error().message());
  }

  static Result<ScriptOutcome> outcome_of(const GuestScriptState& state) {
    ScriptOutcome outcome{state.exit_status, state.output};
    if (outcome.exit_status >= 0) return outcome;
    return error(ErrorCode::failed_precondition, "it was ended before its end ({}); it last said: {}",
                 state.detail, outcome.last_line());
  }

  GuestScripts& scripts_;
  const GuestScript& script_;
  Clock& clock_;
  const std::stop_token stop_;
};

}  // namespace

Result<ScriptOutcome> run_guest_script(GuestScripts& scripts, const GuestScript& script, Clock& clock,
                                       std::stop_token stop) {
  return GuestRun(scripts, script, clock, std::move(stop)).run();
}

}  // namespace rekindle
