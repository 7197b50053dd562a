// Switching machines of VsphereSite on and off. A machine's state is believed only when nothing is running
// that would change it: a start whose answer was lost may still be under way, or wait for somebody to answer
// a question of the machine, while the machine is shown as off.
#include <algorithm>
#include <array>
#include <cctype>

#include "vmware/machine_config.h"
#include "vmware/vsphere_site.h"

namespace rekindle {

namespace {

constexpr std::chrono::minutes power_patience{10};

// Tasks that neither start nor stop the machine; some take hours. All others are waited for.
constexpr std::array<std::string_view, 8> leave_power_alone = {
    "VirtualMachine.clone",          "VirtualMachine.relocate",        "VirtualMachine.migrate",
    "VirtualMachine.createSnapshot", "VirtualMachine.removeSnapshot",  "VirtualMachine.removeAllSnapshots",
    "VirtualMachineSnapshot.remove", "VirtualMachine.consolidateDisks"};

bool may_change_power(const ObjectProperties& task) {
  const std::string state = task.text("info.state");
  if (state == "success" || state == "error") return false;
  return std::ranges::find(leave_power_alone, task.text("info.descriptionId")) == leave_power_alone.end();
}

// "VirtualMachine.powerOn"; of a cluster that chooses the host, "Drm.ExecuteVMPowerOnLRO".
bool starts_machine(const ObjectProperties& task) {
  std::string what = task.text("info.descriptionId");
  std::ranges::transform(what, what.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return what.find("poweron") != std::string::npos;
}

const std::vector<std::string>& power_properties() {
  static const std::vector<std::string> names = {"name", "runtime.powerState", "runtime.question"};
  return names;
}

}  // namespace

Result<> VsphereSite::power_on(const MachineId& id) {
  return change_power(id, "PowerOnVM_Task", PowerState::on);
}

Result<> VsphereSite::power_off(const MachineId& id) {
  return change_power(id, "PowerOffVM_Task", PowerState::off);
}

Result<TaskOutcome> VsphereSite::wait_for_power_task(const ManagedObject& vm, const ManagedObject& task,
                                                     Time deadline) {
  return wait_for_task(*session_, task, options_.stop, [&]() -> Result<> {
    const ObjectProperties properties = TRY(read_properties(*session_, vm, power_properties()));
    TRY(check_nothing_is_asked(properties));
    if (clock_.now() < deadline) return {};
    return error(ErrorCode::failed_precondition,
                 "a task of the machine '{}' does not end ({}): see to it in vSphere, and try again",
                 properties.text("name"), task.value);
  });
}

Result<> VsphereSite::wait_for_power_tasks(const ManagedObject& vm, PowerState wanted, Time deadline) {
  const ObjectProperties properties = TRY(read_properties(*session_, vm, {"recentTask"}));
  for (const XmlElement& reference : properties.get("recentTask").children("ManagedObjectReference")) {
    const ManagedObject task = read_reference(reference);
    const auto info = read_properties(*session_, task, {"info.state", "info.descriptionId"});
    if (!info.ok() && info.error().code() == ErrorCode::not_found) continue;
    if (!info.ok()) return info.error();
    if (!may_change_power(*info)) continue;
    if (wanted == PowerState::off && starts_machine(*info)) cancel_task(*session_, task);
    const auto outcome = wait_for_power_task(vm, task, deadline);
    if (!outcome.ok() && outcome.error().code() != ErrorCode::not_found) return outcome.error();
  }
  return {};
}

// A machine that is off and asks something may be about to start: when it is answered.
Result<bool> VsphereSite::settles_at(const ManagedObject& vm, PowerState wanted, Time deadline) {
  TRY(wait_for_power_tasks(vm, wanted, deadline));
  const ObjectProperties properties = TRY(read_properties(*session_, vm, power_properties()));
  if (read_power_state(properties.text("runtime.powerState")) != wanted) return false;
  if (wanted == PowerState::off) TRY(check_nothing_is_asked(properties));
  return true;
}

// What is given up for good must not start the machine later.
Result<> VsphereSite::switch_once(const ManagedObject& vm, const std::string& method, PowerState wanted,
                                  Time deadline) {
  const VimReply started = TRY(session_->call_once({.self = vm, .method = method}));
  const ManagedObject task = read_reference(started.value());
  const auto outcome = wait_for_power_task(vm, task, deadline);
  if (!outcome.ok() && !outcome.error().transient() && wanted == PowerState::on) cancel_task(*session_, task);
  if (!outcome.ok()) return outcome.error();
  if (!outcome->succeeded) return to_error(outcome->fault);
  return {};
}

// A task whose answer was lost runs on: before each further attempt it is waited for. Asked for again it is
// refused; what counts is the state after it.
Result<> VsphereSite::change_power(const MachineId& id, const std::string& method, PowerState wanted) {
  const ManagedObject vm = TRY(locate(id));
  const Time deadline = clock_.now() + power_patience;
  const auto done = with_retries(options_.busy_retry, clock_, random_, options_.stop, [&]() -> Result<> {
    const bool is_so = TRY(settles_at(vm, wanted, deadline));
    return is_so ? Result<>() : switch_once(vm, method, wanted, deadline);
  });
  if (done.ok()) return {};
  const auto after = settles_at(vm, wanted, deadline);
  if (after.ok() && *after) return {};
  return Error(done.error())
      .context("turning the machine {} {}", id, wanted == PowerState::on ? "on" : "off");
}

}  // namespace rekindle
