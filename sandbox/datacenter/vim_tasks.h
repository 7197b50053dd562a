// Tasks: what a client started and waits for.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "sandbox/datacenter/host.h"
#include "sandbox/datacenter/trouble.h"
#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

// The answer of a method or of a task: a value, nothing, or a fault.
struct Reply {
  Reply() = default;
  Reply(Value result) : value(std::move(result)) {}    // NOLINT(google-explicit-constructor)
  Reply(Fault failure) : fault(std::move(failure)) {}  // NOLINT(google-explicit-constructor)
  std::optional<Value> value;
  std::optional<Fault> fault;
};

// Any thread. A task runs on a thread of its own: queued, running, success or error.
class VimTasks {
 public:
  VimTasks(ChangeSignal& changes, Trouble& trouble);
  ~VimTasks();  // waits for all

  // `method` as vSphere describes it, "VirtualMachine.createSnapshot". The entity is the VM, or the folder
  // that gets one. While a VM has a task, another one ends with TaskInProgress.
  Reference start(const std::string& method, const Reference& entity, const std::string& entity_name,
                  std::function<Reply()> work);
  // The Task object, for the property collector.
  std::optional<Value> object_of(const std::string& id) const;
  // The newest first.
  std::vector<std::string> recent(const Reference& entity) const;
  // Only a task that has not begun its work can be cancelled.
  Reply cancel(const std::string& id);

 private:
  struct Task;
  void perform(const std::shared_ptr<Task>& task, const std::function<Reply()>& work);
  void finish(Task& task, Reply reply);
  bool wait_for_turn(Task& task);
  bool is_busy(const Reference& entity) const;
  std::shared_ptr<Task> find(const std::string& id) const;

  ChangeSignal& changes_;
  Trouble& trouble_;
  mutable std::mutex mutex_;  // of all that tasks hold, too
  std::list<std::shared_ptr<Task>> tasks_;
  int last_ = 0;
};

}  // namespace rekindle::sandbox
