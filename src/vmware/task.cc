#include "vmware/task.h"

#include <optional>

namespace rekindle {

namespace {

// A poll of the server that holds the answer back until something happens; below the idle limits of proxies.
constexpr std::chrono::seconds slice{30};
constexpr std::chrono::seconds watched_slice{5};  // where somebody looks after the task in between

struct TaskState {
  std::string state;
  VimFault fault;
  ManagedObject result;
};

void take_change(const XmlElement& change, TaskState& state) {
  const std::string name = change.child("name").text();
  const XmlElement value = change.child("val");
  if (name == "info.state") state.state = value.text();
  if (name == "info.error" && value) state.fault = read_localized_fault(value);
  if (name == "info.result" && value.xsi_type() == "ManagedObjectReference")
    state.result = read_reference(value);
}

Result<> take_update(const XmlElement& update, TaskState& state) {
  for (const XmlElement& filter : update.children("filterSet")) {
    if (const XmlElement missing = filter.child("missingObjects")) {
      return to_error(read_localized_fault(missing.child("fault")));
    }
    for (const XmlElement& object : filter.children("objectSet")) {
      if (object.child("kind").text() == "leave")
        return Error(ErrorCode::not_found, "the server forgot the task");
      for (const XmlElement& change : object.children("changeSet")) take_change(change, state);
    }
  }
  return {};
}

Result<> watch(VimSession& session, const ManagedObject& collector, const ManagedObject& task) {
  TRY(session.call_once(
      {.self = collector,
       .method = "CreateFilter",
       .arguments = "<spec><propSet><type>Task</type><all>false</all><pathSet>info.state</pathSet>"
                    "<pathSet>info.error</pathSet><pathSet>info.result</pathSet></propSet><objectSet>" +
                    xml_reference("obj", task) +
                    "<skip>false</skip></objectSet></spec><partialUpdates>false</partialUpdates>"}));
  return {};
}

Result<TaskOutcome> follow(VimSession& session, const ManagedObject& collector, const std::stop_token& stop,
                           const TaskPatience& patience) {
  const std::chrono::seconds wait = patience ? watched_slice : slice;
  TaskState task;
  std::string version;
  for (;;) {
    VimCall call{.self = collector, .method = "WaitForUpdatesEx", .extra_time = wait, .stop = stop};
    call.arguments = xml_element("version", version) +
                     fmt::format("<options><maxWaitSeconds>{}</maxWaitSeconds></options>", wait.count());
    const VimReply reply = TRY(session.call_once(call));
    const XmlElement update = reply.value();
    if (!update) {  // nothing happened within the slice
      if (patience) TRY(patience());
      continue;
    }
    TRY(take_update(update, task));
    version = update.child("version").text();
    if (task.state == "success") return TaskOutcome{true, {}, task.result};
    if (task.state == "error") return TaskOutcome{false, task.fault, {}};
  }
}

}  // namespace

Result<TaskOutcome> wait_for_task(VimSession& session, const ManagedObject& task, std::stop_token stop) {
  return wait_for_task(session, task, std::move(stop), {});
}

Result<TaskOutcome> wait_for_task(VimSession& session, const ManagedObject& task, std::stop_token stop,
                                  const TaskPatience& patience) {
  auto outcome = session.in_one_session([&]() -> Result<TaskOutcome> {
    // A collector of its own: only one may wait at a time in each.
    const VimReply created = TRY(session.call_once(
        {.self = session.service().property_collector, .method = "CreatePropertyCollector"}));
    const ManagedObject collector = read_reference(created.value());
    const auto watched = watch(session, collector, task);
    auto followed =
        watched.ok() ? follow(session, collector, stop, patience) : Result<TaskOutcome>(watched.error());
    static_cast<void>(session.call_once({.self = collector, .method = "DestroyPropertyCollector"}).ok());
    return followed;
  });
  if (!outcome.ok() && outcome.error().code() == ErrorCode::cancelled) cancel_task(session, task);
  return outcome;
}

void cancel_task(VimSession& session, const ManagedObject& task) {
  static_cast<void>(session.call_once({.self = task, .method = "CancelTask"}).ok());
}

Result<> finish_task(VimSession& session, const ManagedObject& task, std::stop_token stop) {
  const TaskOutcome outcome = TRY(wait_for_task(session, task, std::move(stop)));
  if (!outcome.succeeded) return to_error(outcome.fault);
  return {};
}

}  // namespace rekindle
