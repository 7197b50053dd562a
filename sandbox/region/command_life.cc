// How commands end of which no agent reports an end.
#include "sandbox/region/cloud.h"
#include "sandbox/region/run_command.h"

namespace rekindle::sandbox {

namespace {

constexpr std::int64_t kept_ms = 30LL * 24 * 3600 * 1000;  // as AWS keeps a command's history

// The ids of those rows that are so.
template <typename T, typename Condition>
std::vector<std::string> ids_of(const State& state, Condition is_so) {
  std::vector<std::string> ids;
  for (const auto& [id, row] : state.all<T>()) {
    if (is_so(row)) ids.push_back(id);
  }
  return ids;
}

bool is_gone(const State& state, const std::string& instance_id) {
  const auto& all = state.all<Instance>();
  const auto instance = all.find(instance_id);
  return instance == all.end() || instance->second.state == "terminated";
}

}  // namespace

// What an agent took and never ended is DeliveryTimedOut, too: AWS calls so all of which it does not hear.
void Cloud::expire_commands() {
  const std::int64_t now = now_ms();
  const auto end = [&](const std::string& id, const char* status, const char* detail) {
    Invocation invocation = state_->find<Invocation>(id).value();
    invocation.state = status;
    invocation.detail = detail;
    state_->put(invocation);
  };
  const auto late = [&](const Invocation& one) { return !has_ended(one) && one.due_ms <= now; };
  for (const std::string& id : ids_of<Invocation>(*state_, late)) end(id, "TimedOut", "DeliveryTimedOut");
  const auto lost = [&](const Invocation& one) {
    return one.state == "Pending" && is_gone(*state_, one.instance_id);
  };
  for (const std::string& id : ids_of<Invocation>(*state_, lost)) end(id, "Failed", "Undeliverable");

  const auto old = [&](const Resource& one) { return one.created_ms + kept_ms < now; };
  for (const std::string& id : ids_of<Invocation>(*state_, old)) state_->remove<Invocation>(id);
  for (const std::string& id : ids_of<Command>(*state_, old)) state_->remove<Command>(id);
  const auto left = [&](const ManagedNode& one) { return is_gone(*state_, one.id); };
  for (const std::string& id : ids_of<ManagedNode>(*state_, left)) state_->remove<ManagedNode>(id);
}

}  // namespace rekindle::sandbox
