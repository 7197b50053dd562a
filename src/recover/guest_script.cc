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
  GuestRun(GuestScripts& scripts, const GuestScript& script, Clock& clock, const GuestRunOptions& options)
      : scripts_(scripts), script_(script), clock_(clock), options_(options) {}

  Result<GuestScriptState> run() {
    std::optional<std::string> id;
    if (options_.may_exist) id = TRY(look_for_it());
    if (!id) {
      TRY(wait_for_agent());
      id = TRY(start());
    }
    auto ended = wait_for_end(*id);
    if (!ended.ok()) cancel(*id);
    return ended;
  }

 private:
  Result<> pause(milliseconds duration) {
    if (clock_.sleep(duration, options_.stop)) return {};
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
    if (options_.starting) TRY(options_.starting());
    for (int i = 1;; ++i) {
      Result<std::string> started = scripts_.start_script(script_);
      if (started.ok() || started.error().code() != ErrorCode::unavailable) return started;
      if (auto found = TRY(look_for_it())) return *std::move(found);
      if (i == starts) return started;
    }
  }

  // None: the list was shown, and it is not on it.
  Result<std::optional<std::string>> look_for_it() {
    Result<std::optional<std::string>> found = std::optional<std::string>();
    for (int i = 0; i < looks; ++i) {
      if (i > 0 || !options_.may_exist) TRY(pause(look_pause));
      found = scripts_.find_script(script_.instance, script_.token);
      if (!found.ok() && found.error().code() != ErrorCode::unavailable) return found;
      if (found.ok() && *found) return found;
    }
    return found;
  }

  Result<GuestScriptState> wait_for_end(const std::string& id) {
    const auto deadline = clock_.ticks() + script_.patience + agent_slack;
    for (;;) {
      auto state = scripts_.script_state(script_.instance, id);
      if (!state.ok() && state.error().code() != ErrorCode::unavailable) return state;
      if (state.ok() && state->ended) return state;
      if (clock_.ticks() >= deadline) {
        if (!state.ok()) return state;
        return error(ErrorCode::failed_precondition, "it was still running after {} and was ended",
                     human_duration(script_.patience));
      }
      TRY(pause(poll_pause));
    }
  }

  void cancel(const std::string& id) {
    const Result<> cancelled = scripts_.cancel_script(script_.instance, id);
    if (!cancelled.ok())
      log::warn("the script {} in {} may go on: {}", id, script_.instance, cancelled.error().message());
  }

  GuestScripts& scripts_;
  const GuestScript& script_;
  Clock& clock_;
  const GuestRunOptions& options_;
};

}  // namespace

Result<GuestScriptState> run_guest_script(GuestScripts& scripts, const GuestScript& script, Clock& clock,
                                          const GuestRunOptions& options) {
  return GuestRun(scripts, script, clock, options).run();
}

Result<> end_guest_script(GuestScripts& scripts, const InstanceId& instance, const std::string& token) {
  const auto id = TRY(scripts.find_script(instance, token));
  if (!id) return {};
  const GuestScriptState state = TRY(scripts.script_state(instance, *id));
  return state.ended ? Result<>() : scripts.cancel_script(instance, *id);
}

}  // namespace rekindle
