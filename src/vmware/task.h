// Waits for what the server does in the background.
#pragma once

#include <stop_token>

#include "vmware/vim_session.h"

namespace rekindle {

struct TaskOutcome {
  bool succeeded = false;
  VimFault fault;        // when it did not
  ManagedObject result;  // when it made one: the snapshot of CreateSnapshot_Task
};

// Until the task ends, however long. An Error only when that cannot be known; `cancelled` when stop was
// requested: then the server was asked to cancel the task, which it does if it can.
Result<TaskOutcome> wait_for_task(VimSession& session, const ManagedObject& task, std::stop_token stop);

// The same, and a failed task is an Error.
Result<> finish_task(VimSession& session, const ManagedObject& task, std::stop_token stop);

}  // namespace rekindle
