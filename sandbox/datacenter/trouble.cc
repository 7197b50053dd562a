#include "sandbox/datacenter/trouble.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

bool use_one(std::map<std::string, int>& counts, const std::string& name) {
  const auto found = counts.find(name);
  if (found == counts.end() || found->second <= 0) return false;
  --found->second;
  return true;
}

}  // namespace

Result<> Trouble::set(const json& wanted) {
  const std::lock_guard lock(mutex_);
  if (!wanted.is_object()) return error(ErrorCode::invalid_argument, "faults are a JSON object");
  try {
    for (const auto& [name, value] : wanted.items()) {
      if (name == "session_expires_after_calls") {
        session_calls_left_ = value.get<int>();
      } else if (name == "fail_calls") {
        fail_calls_ = value.get<std::map<std::string, int>>();
      } else if (name == "refuse_calls") {
        refuse_calls_ = value.get<std::map<std::string, int>>();
      } else if (name == "lose_responses") {
        lose_responses_ = value.get<std::map<std::string, int>>();
      } else if (name == "slow_tasks_ms") {
        slow_tasks_ms_ = value.get<int>();
      } else if (name == "fail_snapshot_removals") {
        snapshot_removals_ = value.get<int>();
      } else if (name == "refuse_quiesce") {
        refuse_quiesce_ = value.get<bool>();
      } else {
        return error(ErrorCode::invalid_argument, "there is no fault '{}'", name);
      }
    }
  } catch (const json::exception& failure) {
    return error(ErrorCode::invalid_argument, "faults: {}", failure.what());
  }
  return {};
}

json Trouble::to_json() const {
  const std::lock_guard lock(mutex_);
  return {{"session_expires_after_calls", session_calls_left_},
          {"fail_calls", fail_calls_},
          {"refuse_calls", refuse_calls_},
          {"lose_responses", lose_responses_},
          {"slow_tasks_ms", slow_tasks_ms_},
          {"fail_snapshot_removals", snapshot_removals_},
          {"refuse_quiesce", refuse_quiesce_}};
}

bool Trouble::fails(const std::string& method) {
  const std::lock_guard lock(mutex_);
  return use_one(fail_calls_, method);
}

bool Trouble::refuses(const std::string& method) {
  const std::lock_guard lock(mutex_);
  return use_one(refuse_calls_, method);
}

bool Trouble::loses_response(const std::string& method) {
  const std::lock_guard lock(mutex_);
  return use_one(lose_responses_, method);
}

bool Trouble::ends_session() {
  const std::lock_guard lock(mutex_);
  if (session_calls_left_ == 0) return false;
  --session_calls_left_;
  return session_calls_left_ == 0;
}

bool Trouble::fails_snapshot_removal() {
  const std::lock_guard lock(mutex_);
  if (snapshot_removals_ == 0) return false;
  --snapshot_removals_;
  return true;
}

bool Trouble::refuses_quiesce() const {
  const std::lock_guard lock(mutex_);
  return refuse_quiesce_;
}

std::chrono::milliseconds Trouble::task_delay() const {
  const std::lock_guard lock(mutex_);
  return std::chrono::milliseconds(slow_tasks_ms_);
}

}  // namespace rekindle::sandbox
