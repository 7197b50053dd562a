// The snapshots of VsphereSite: made, read, removed.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "site/refusal.h"
#include "vmware/machine_config.h"
#include "vmware/snapshot_tree.h"
#include "vmware/vsphere_site.h"

namespace rekindle {

namespace {

// Made and removed at once, because tracking begins only when the machine is stunned (VMware KB 1020128).
constexpr std::string_view stun_name = "rekindle-enable-change-tracking";

std::vector<std::string> names_of(const std::vector<SnapshotNode>& nodes) {
  std::vector<std::string> names;
  for (const SnapshotNode& node : nodes) names.push_back("'" + node.name + "'");
  return names;
}

const SnapshotNode* find_by_id(const std::vector<SnapshotNode>& nodes, const std::string& id) {
  const auto found =
      std::ranges::find(nodes, id, [](const SnapshotNode& node) { return node.snapshot.value; });
  return found == nodes.end() ? nullptr : &*found;
}

const SnapshotNode* find_by_name(const std::vector<SnapshotNode>& nodes, std::string_view name) {
  const auto found = std::ranges::find(nodes, name, &SnapshotNode::name);
  return found == nodes.end() ? nullptr : &*found;
}

VimCall create_snapshot_call(const ManagedObject& vm, const std::string& name, bool quiesce) {
  return {.self = vm,
          .method = "CreateSnapshot_Task",
          .arguments = xml_element("name", name) +
                       xml_element("description",
                                   "Made by Rekindle to read the machine's disks; it is removed again.") +
                       "<memory>false</memory>" + xml_element("quiesce", quiesce ? "true" : "false")};
}

}  // namespace

// For tasks that may be started twice: with patience for a busy machine.
Result<> VsphereSite::start_and_finish(const VimCall& call, std::stop_token stop) {
  return with_retries(options_.busy_retry, clock_, random_, stop, [&]() -> Result<> {
    const VimReply started = TRY(session_->call(call));
    return finish_task(*session_, read_reference(started.value()), stop);
  });
}

Result<> VsphereSite::wait_for_running_tasks(const ManagedObject& vm) {
  const ObjectProperties properties = TRY(read_properties(*session_, vm, {"recentTask"}));
  for (const XmlElement& task : properties.get("recentTask").children("ManagedObjectReference")) {
    const auto outcome = wait_for_task(*session_, read_reference(task), options_.stop);
    if (!outcome.ok() && outcome.error().code() != ErrorCode::not_found) return outcome.error();
  }
  return {};
}

Result<> VsphereSite::enable_change_tracking(const MachineId& id) {
  const ManagedObject vm = TRY(locate(id));
  auto snapshots = TRY(list_snapshots(*session_, vm));
  // Left by a crash between the two halves of the stun below.
  if (const SnapshotNode* stun = find_by_name(snapshots, stun_name)) {
    TRY(delete_snapshot(vm, stun->snapshot));
    std::erase_if(snapshots, [](const SnapshotNode& node) { return node.name == stun_name; });
  }
  const ObjectProperties properties = TRY(
      read_properties(*session_, vm, {"config.changeTrackingEnabled", "capability.changeTrackingSupported"}));
  if (properties.get("config.changeTrackingEnabled").is_true()) return {};
  if (properties.text("capability.changeTrackingSupported") == "false") {
    return Error(
        ErrorCode::failed_precondition,
        "the machine's virtual hardware is too old for change tracking: upgrade it to version 7 or later");
  }
  if (!snapshots.empty()) {  // tracking enabled now would report wrong areas, without an error
    return error(ErrorCode::failed_precondition,
                 "change tracking cannot be enabled while the machine has snapshots: delete {}",
                 fmt::join(names_of(snapshots), ", "));
  }
  TRY(start_and_finish({.self = vm,
                        .method = "ReconfigVM_Task",
                        .arguments = "<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>"},
                       options_.stop),
      "enabling change tracking");
  const ManagedObject stun =
      TRY(make_snapshot(vm, std::string(stun_name), false), "starting change tracking");
  return delete_snapshot(vm, stun);
}

Result<MachineSnapshot> VsphereSite::create_snapshot(const MachineId& id, const std::string& name) {
  const ManagedObject vm = TRY(locate(id));
  std::vector<std::string> wanted = machine_properties();
  wanted.emplace_back("guest.toolsRunningStatus");
  const ObjectProperties properties = TRY(read_properties(*session_, vm, wanted));
  const Machine machine = read_machine(properties, vm);
  if (!machine.refused_because.empty()) {
    return error(ErrorCode::failed_precondition, "machine '{}' cannot be backed up: {}", machine.name,
                 machine.refused_because);
  }
  TRY(consolidate_if_needed(vm), "machine '{}'", machine.name);
  const bool tools_run = properties.text("guest.toolsRunningStatus") == "guestToolsRunning";
  const ManagedObject snapshot = TRY(make_snapshot(vm, name, tools_run && machine.power == PowerState::on),
                                     "making a snapshot of machine '{}'", machine.name);
  return after_making(find_snapshot(id, MachineSnapshotId(snapshot.value)));
}

Result<ManagedObject> VsphereSite::make_snapshot(const ManagedObject& vm, const std::string& name,
                                                 bool quiesce) {
  const TaskOutcome outcome = TRY(try_snapshot(vm, name, quiesce));
  if (outcome.succeeded) return outcome.result;
  if (!quiesce || !is_quiesce_fault(outcome.fault)) return to_error(outcome.fault);
  log::warn("the guest cannot bring its file systems to rest ({}): its snapshot is as after a power cut",
            to_error(outcome.fault).message());
  return make_snapshot(vm, name, false);
}

// CreateSnapshot_Task is not idempotent: when its answer was lost, the snapshot may be there, or be about to
// be. So before each further attempt running tasks are waited out, and the name is looked for.
Result<TaskOutcome> VsphereSite::try_snapshot(const ManagedObject& vm, const std::string& name,
                                              bool quiesce) {
  bool tried = false;
  return with_retries(options_.busy_retry, clock_, random_, options_.stop, [&]() -> Result<TaskOutcome> {
    if (std::exchange(tried, true)) {
      TRY(after_making(wait_for_running_tasks(vm)));
      const auto snapshots = TRY(after_making(list_snapshots(*session_, vm)));
      if (const SnapshotNode* made = find_by_name(snapshots, name))
        return TaskOutcome{true, {}, made->snapshot};
    }
    const VimReply started = TRY(session_->call_once(create_snapshot_call(vm, name, quiesce)));
    TaskOutcome outcome =
        TRY(after_making(wait_for_task(*session_, read_reference(started.value()), options_.stop)));
    if (!outcome.succeeded && to_error(outcome.fault).transient()) return to_error(outcome.fault);
    return outcome;
  });
}

Result<std::vector<SnapshotName>> VsphereSite::snapshots(const MachineId& id) {
  const ManagedObject vm = TRY(locate(id));
  const auto nodes = TRY(list_snapshots(*session_, vm), "machine {}", id);
  std::vector<SnapshotName> names;
  names.reserve(nodes.size());
  for (const SnapshotNode& node : nodes) names.push_back({MachineSnapshotId(node.snapshot.value), node.name});
  return names;
}

Result<MachineSnapshot> VsphereSite::find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const ManagedObject vm = TRY(locate(id));
  const auto nodes = TRY(list_snapshots(*session_, vm), "machine {}", id);
  const SnapshotNode* node = find_by_id(nodes, snapshot.str());
  if (node == nullptr) {
    return error(ErrorCode::not_found, "snapshot {} of machine {} does not exist (any more)", snapshot, id);
  }
  const ObjectProperties properties =
      TRY(read_properties(*session_, node->snapshot, config_properties()), "snapshot '{}'", node->name);
  MachineSnapshot found{snapshot, node->name, read_machine(properties, vm), {}};
  found.machine.id = id;
  found.machine.power = read_power_state(node->power_state);
  for (const VirtualDisk& disk : read_disks(properties)) {
    if (!disk.spec.excluded_because.empty()) continue;
    found.disks.push_back({disk.spec.id, disk.spec.size_bytes, disk.change_id});
  }
  return found;
}

Result<> VsphereSite::remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const auto vm = locate(id);
  if (!vm.ok() && vm.error().code() == ErrorCode::not_found) return {};  // its snapshots went with it
  if (!vm.ok()) return vm.error();
  const auto nodes = TRY(list_snapshots(*session_, *vm), "machine {}", id);
  const SnapshotNode* node = find_by_id(nodes, snapshot.str());
  if (node == nullptr) return consolidate_if_needed(*vm);
  TRY(delete_snapshot(*vm, node->snapshot), "removing snapshot '{}' of machine {}", node->name, id);
  return {};
}

// Not stopped by options_.stop: what is begun here must not stay behind.
Result<> VsphereSite::delete_snapshot(const ManagedObject& vm, const ManagedObject& snapshot) {
  const auto removed = start_and_finish({.self = snapshot,
                                         .method = "RemoveSnapshot_Task",
                                         .arguments = "<removeChildren>false</removeChildren>"
                                                      "<consolidate>true</consolidate>"},
                                        {});
  if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed.error();
  return consolidate_if_needed(vm);
}

// The server removes a snapshot from its list even when a file was locked and its delta could not be merged;
// the delta then grows until somebody asks again.
Result<> VsphereSite::consolidate_if_needed(const ManagedObject& vm) {
  const auto properties = read_properties(*session_, vm, {"runtime.consolidationNeeded"});
  if (!properties.ok() && properties.error().code() == ErrorCode::not_found) return {};
  if (!properties.ok()) return properties.error();
  if (!properties->get("runtime.consolidationNeeded").is_true()) return {};
  TRY(start_and_finish({.self = vm, .method = "ConsolidateVMDisks_Task"}, {}),
      "merging what an earlier snapshot left behind (is another program reading its disks?)");
  return {};
}

}  // namespace rekindle
