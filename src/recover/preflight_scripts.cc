// PreflightCheck: whether the scripts of the recovery workflow can run inside machines.
#include "recover/preflight_check.h"

namespace rekindle {

void PreflightCheck::check_script_on(const PlanMachine& machine, const std::string& step) {
  machine_ = machine.machine;
  const FailoverSettings settings = settings_of(plan_, machine, kind_);
  if (settings.leave_stopped == true) {
    add(Light::red, "script",
        fmt::format("step {} runs its script in it, and it is left stopped: take it out of script_on, or set "
                    "leave_stopped: false",
                    step));
  } else if (settings.instance_profile.empty()) {
    add(Light::yellow, "script",
        fmt::format("step {} runs its script in it through the account's agent in the guest, and it has no "
                    "instance_profile: nothing lets the agent in, unless the account does so for all its "
                    "instances",
                    step));
  }
}

// Whether the agent is in the guest, a test failover tells.
void PreflightCheck::check_scripts() {
  bool any = false;
  for (const PlanStep& step : plan_.steps) {
    for (const std::string& name : step.script_on) {
      any = true;
      const auto machine = find_machine(plan_, name);
      if (machine.ok()) check_script_on(**machine, step.name);
    }
  }
  machine_.clear();
  if (!any) return;
  const auto scripts = parts_.sites.guest_scripts(plan_.account);
  const Result<> allowed = scripts.ok() ? (*scripts)->check_access() : scripts.error();
  if (allowed.ok()) {
    add(Light::green, "scripts", "inside machines may be asked for");
    return;
  }
  const bool refused = allowed.error().code() == ErrorCode::permission_denied;
  add(refused ? Light::red : Light::yellow, "scripts",
      fmt::format("inside machines {}: {}", refused ? "are refused" : "could not be asked about",
                  allowed.error().message()));
}

}  // namespace rekindle
