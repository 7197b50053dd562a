// Faults on purpose: what the datacenter is told to do wrong. Counts run down as they are used.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace rekindle::sandbox {

// Any thread. As JSON (all optional):
//   {"session_expires_after_calls": 5,                 the session of the caller ends before that many calls
//   more
//    "fail_calls": {"Login": 1, "GET /folder": 3},     503 without doing it, that many times
//    "refuse_calls": {"PUT /folder": 1},               403, likewise; only of files of datastores
//    "lose_responses": {"CreateSnapshot_Task": 1},     done, but the connection closes without an answer
//    "slow_tasks_ms": 500,                             every task runs that long before it begins its work
//    "fail_snapshot_removals": 1,                      the merge fails and leaves consolidationNeeded
//    "refuse_quiesce": true}                           quiesced snapshots fail with ApplicationQuiesceFault
class Trouble {
 public:
  // Changes what is named. `invalid_argument` for names that are not known.
  Result<> set(const nlohmann::json& wanted);
  nlohmann::json to_json() const;

  bool fails(const std::string& method);
  bool refuses(const std::string& method);
  bool loses_response(const std::string& method);
  // Counts one call of a session; true when the session ends with it.
  bool ends_session();
  bool fails_snapshot_removal();
  bool refuses_quiesce() const;
  std::chrono::milliseconds task_delay() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> fail_calls_;
  std::map<std::string, int> refuse_calls_;
  std::map<std::string, int> lose_responses_;
  int session_calls_left_ = 0;  // 0: for ever
  int snapshot_removals_ = 0;
  int slow_tasks_ms_ = 0;
  bool refuse_quiesce_ = false;
};

}  // namespace rekindle::sandbox
