#include "sandbox/datacenter/vim_tasks.h"

#include <algorithm>

namespace rekindle::sandbox {

namespace {

constexpr std::size_t kept_tasks = 200;

}  // namespace

struct VimTasks::Task {
  std::string id;
  std::string method;
  Reference entity;
  std::string entity_name;
  bool refused = false;  // because the entity was busy: it does not keep others out
  std::string state = "queued";
  bool cancelled = false;
  bool working = false;
  Reply reply;
  int number = 0;
  std::chrono::milliseconds delay{0};
  Time queued = SystemClock().now();
  Time started;
  Time completed;
  std::thread thread;

  bool done() const { return state == "success" || state == "error"; }
};

VimTasks::VimTasks(ChangeSignal& changes, Trouble& trouble) : changes_(changes), trouble_(trouble) {}

VimTasks::~VimTasks() {
  std::list<std::shared_ptr<Task>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& task : tasks_) task->cancelled = true;
    all.swap(tasks_);
  }
  for (const auto& task : all) {
    if (task->thread.joinable()) task->thread.join();
  }
}

Reference VimTasks::start(const std::string& method, const Reference& entity, const std::string& entity_name,
                          std::function<Reply()> work) {
  auto task = std::make_shared<Task>();
  {
    const std::lock_guard lock(mutex_);
    task->refused = is_busy(entity);
    task->number = ++last_;
    task->id = fmt::format("haTask-{}-vim.{}-{}", entity.id, method, task->number);
    task->method = method;
    task->delay = trouble_.task_delay();
    task->entity = entity;
    task->entity_name = entity_name;
    tasks_.push_front(task);
    while (tasks_.size() > kept_tasks && tasks_.back()->done()) {
      tasks_.back()->thread.join();
      tasks_.pop_back();
    }
    if (task->refused) {
      work = [] {
        return Reply(
            Fault{"TaskInProgress", "The operation is not allowed: another task is in progress.", {}});
      };
    }
    task->thread = std::thread([this, task, work = std::move(work)] { perform(task, work); });
  }
  changes_.raise();
  return {"Task", task->id};
}

bool VimTasks::is_busy(const Reference& entity) const {
  if (entity.type != "VirtualMachine") return false;
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
    return task->entity == entity && !task->refused && !task->done();
  });
}

void VimTasks::perform(const std::shared_ptr<Task>& task, const std::function<Reply()>& work) {
  {
    const std::lock_guard lock(mutex_);
    task->state = "running";
    task->started = SystemClock().now();
  }
  changes_.raise();
  finish(*task, wait_for_turn(*task)
                    ? work()
                    : Reply(Fault{"RequestCanceled", "The task was canceled by a user.", {}}));
}

// The delay that was asked for. False when the task was cancelled meanwhile.
bool VimTasks::wait_for_turn(Task& task) {
  const auto until = std::chrono::steady_clock::now() + task.delay;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (task.cancelled) return false;
      task.working = std::chrono::steady_clock::now() >= until;
      if (task.working) return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void VimTasks::finish(Task& task, Reply reply) {
  {
    const std::lock_guard lock(mutex_);
    task.reply = std::move(reply);
    task.state = task.reply.fault ? "error" : "success";
    task.completed = SystemClock().now();
  }
  changes_.raise();
}

std::shared_ptr<VimTasks::Task> VimTasks::find(const std::string& id) const {
  const auto found =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) { return task->id == id; });
  return found == tasks_.end() ? nullptr : *found;
}

std::optional<Value> VimTasks::object_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto task = find(id);
  if (!task) return std::nullopt;
  Value info = object("TaskInfo");
  info.set("key", task->id).set("task", to_value({"Task", task->id})).set("name", task->method + "_Task");
  info.set("descriptionId", task->method);
  // Not the snapshot: pyVmomi takes managed entities only.
  info.set("entity", to_value(task->entity)).set("entityName", task->entity_name);
  info.set("state", enumeration("TaskInfoState", task->state)).set("cancelled", task->cancelled);
  info.set("cancelable", !task->working && !task->done());
  if (task->reply.fault) info.set("error", to_localized_fault(*task->reply.fault));
  if (task->reply.value) info.set_any("result", *task->reply.value);
  if (!task->done()) info.set("progress", task->working ? 50 : 0);
  info.set_any("reason", object("TaskReasonUser").set("userName", "root"));
  info.set("queueTime", task->queued);
  if (task->state != "queued") info.set("startTime", task->started);
  if (task->done()) info.set("completeTime", task->completed);
  info.set("eventChainId", task->number);
  return object("Task").set("info", std::move(info));
}

std::vector<std::string> VimTasks::recent(const Reference& entity) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& task : tasks_) {
    if (task->entity == entity && !task->refused && ids.size() < 10) ids.push_back(task->id);
  }
  return ids;
}

Reply VimTasks::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto task = find(id);
  if (task->done()) return Fault{"InvalidState", "The task has ended.", {}};
  if (task->working) return Fault{"NotSupported", "The task cannot be canceled any more.", {}};
  task->cancelled = true;
  return {};
}

}  // namespace rekindle::sandbox
