// Waits for what the server does in the background.
#pragma once

#include <functional>
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

// Asked whenever nothing happened to a task for a few seconds. An Error ends the waiting, not the task; a
// transient() one lets it begin anew first, as a lost connection does.
using TaskPatience = std::function<Result<>()>;
// The same, for tasks that may hang: as long as `patience` has no objection.
Result<TaskOutcome> wait_for_task(VimSession& session, const ManagedObject& task, std::stop_token stop,
                                  const TaskPatience& patience);

// Asks for the end of a task, which goes on where it cannot be cancelled (any more).
void cancel_task(VimSession& session, const ManagedObject& task);

// wait_for_task(), and a failed task is an Error.
Result<> finish_task(VimSession& session, const ManagedObject& task, std::stop_token stop);

}  // namespace rekindle
