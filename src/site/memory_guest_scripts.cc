#include "site/memory_guest_scripts.h"

#include <fmt/format.h>

#include <cstdlib>

namespace rekindle {

namespace {
constexpr std::string_view id_prefix = "script-";
}  // namespace

std::vector<GuestScript> MemoryGuestScripts::started() const {
  const std::lock_guard lock(mutex_);
  std::vector<GuestScript> scripts;
  for (const Started& one : started_) scripts.push_back(one.script);
  return scripts;
}

std::vector<std::string> MemoryGuestScripts::cancelled() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < started_.size(); ++i) {
    if (started_[i].cancelled) ids.push_back(fmt::format("{}{}", id_prefix, i + 1));
  }
  return ids;
}

bool MemoryGuestScripts::agent_is_there(const InstanceId& instance) {
  return asks_before_agent_ >= 0 && asked_[instance.str()] >= asks_before_agent_;
}

Result<bool> MemoryGuestScripts::takes_scripts(const InstanceId& instance) {
  TRY(fault("takes_scripts", false));
  const std::lock_guard lock(mutex_);
  const bool there = agent_is_there(instance);
  ++asked_[instance.str()];
  return there;
}

Result<std::string> MemoryGuestScripts::start_script(const GuestScript& script) {
  TRY(fault("start_script", false));
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    if (!agent_is_there(script.instance)) {
      return error(ErrorCode::failed_precondition, "the agent of {} takes no scripts; install it",
                   script.instance);
    }
    Started one{script, {true, 0, "done", "ran\n"}, asks_before_end_};
    if (run_) one.end = run_(script);
    started_.push_back(std::move(one));
    id = fmt::format("{}{}", id_prefix, started_.size());
  }
  TRY(fault("start_script", true));
  return id;
}

Result<std::optional<std::string>> MemoryGuestScripts::find_script(const InstanceId& instance,
                                                                   const std::string& token) {
  TRY(fault("find_script", false));
  const std::lock_guard lock(mutex_);
  if (asks_before_listed_-- > 0) return std::optional<std::string>();
  for (std::size_t i = started_.size(); i > 0; --i) {
    const GuestScript& script = started_[i - 1].script;
    if (script.instance == instance && script.token == token)
      return std::optional(fmt::format("{}{}", id_prefix, i));
  }
  return std::optional<std::string>();
}

Result<std::size_t> MemoryGuestScripts::number_of(const std::string& id) const {
  const std::size_t number =
      id.starts_with(id_prefix) ? std::strtoul(id.c_str() + id_prefix.size(), nullptr, 10) : 0;
  if (number == 0 || number > started_.size())
    return error(ErrorCode::not_found, "there is no script {}", id);
  return number - 1;
}

Result<GuestScriptState> MemoryGuestScripts::script_state(const InstanceId&, const std::string& id) {
  TRY(fault("script_state", false));
  const std::lock_guard lock(mutex_);
  Started& one = started_[TRY(number_of(id))];
  if (one.cancelled) return GuestScriptState{true, -1, "cancelled", one.end.output};
  if (one.asks_left-- > 0) return GuestScriptState{false, -1, "running", ""};
  return one.end;
}

Result<> MemoryGuestScripts::cancel_script(const InstanceId&, const std::string& id) {
  TRY(fault("cancel_script", false));
  const std::lock_guard lock(mutex_);
  started_[TRY(number_of(id))].cancelled = true;
  return {};
}

}  // namespace rekindle
