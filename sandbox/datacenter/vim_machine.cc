#include "sandbox/datacenter/vim_machine.h"

#include <algorithm>
#include <charconv>

#include "sandbox/datacenter/vim_machine_config.h"

namespace rekindle::sandbox {

namespace {

Value runtime(const MachineRecord& record) {
  Value info = object("VirtualMachineRuntimeInfo");
  info.set("host", to_value({"HostSystem", host_id}));
  info.set("connectionState", enumeration("VirtualMachineConnectionState", "connected"));
  info.set("powerState", enumeration("VirtualMachinePowerState", to_string(record.power)));
  info.set("faultToleranceState", enumeration("VirtualMachineFaultToleranceState", "notConfigured"));
  info.set("toolsInstallerMounted", false);
  if (record.power == PowerState::on) info.set("bootTime", record.boot_time);
  info.set("numMksConnections", 0).set("recordReplayState", "inactive").set("cleanPowerOff", true);
  return info.set("onlineStandby", false).set("consolidationNeeded", record.consolidation_needed);
}

Value capability() {
  Value info = object("VirtualMachineCapability");
  for (const char* name : {"snapshotOperationsSupported", "multipleSnapshotsSupported",
                           "snapshotConfigSupported", "poweredOffSnapshotsSupported"}) {
    info.set(name, true);
  }
  info.set("memorySnapshotsSupported", false).set("revertToSnapshotSupported", false);
  info.set("quiescedSnapshotsSupported", true).set("disableSnapshotsSupported", false);
  info.set("lockSnapshotsSupported", false);
  for (const char* name :
       {"consolePreferencesSupported", "cpuFeatureMaskSupported", "s1AcpiManagementSupported",
        "settingScreenResolutionSupported", "toolsAutoUpdateSupported", "vmNpivWwnSupported",
        "npivWwnOnNonRdmVmSupported", "vmNpivWwnDisableSupported", "vmNpivWwnUpdateSupported",
        "swapPlacementSupported", "toolsSyncTimeSupported", "virtualMmuUsageSupported", "diskSharesSupported",
        "bootOptionsSupported"}) {
    info.set(name, std::string_view(name) == "bootOptionsSupported");
  }
  return info.set("changeTrackingSupported", true);
}

// The guests have no VMware Tools.
Value guest_info(const MachineRecord& record) {
  return object("GuestInfo")
      .set("toolsStatus", enumeration("VirtualMachineToolsStatus", "toolsNotInstalled"))
      .set("toolsVersionStatus", "guestToolsNotInstalled")
      .set("toolsRunningStatus", "guestToolsNotRunning")
      .set("guestState", record.power == PowerState::on ? "running" : "notRunning");
}

Value summary(const MachineRecord& record) {
  Value config = object("VirtualMachineConfigSummary");
  config.set("name", record.name).set("template", false);
  config.set("vmPathName", datastore_path(record, record.name + ".vmx"))
      .set("memorySizeMB", record.memory_mib);
  config.set("cpuReservation", 0).set("memoryReservation", 0).set("numCpu", record.vcpus);
  config.set("numEthernetCards", 1).set("numVirtualDisks", static_cast<int>(record.disks.size()));
  config.set("uuid", record.uuid).set("instanceUuid", record.instance_uuid).set("guestId", record.guest_id);
  config.set("guestFullName", guest_full_name(record)).set("annotation", "");
  Value guest = object("VirtualMachineGuestSummary");
  guest.set("toolsStatus", enumeration("VirtualMachineToolsStatus", "toolsNotInstalled"));
  guest.set("toolsRunningStatus", "guestToolsNotRunning");
  Value statistics = object("VirtualMachineQuickStats");
  statistics.set("guestHeartbeatStatus", enumeration("ManagedEntityStatus", "gray"));
  return object("VirtualMachineSummary")
      .set("vm", to_value({"VirtualMachine", record.id()}))
      .set("runtime", runtime(record))
      .set("guest", std::move(guest))
      .set("config", std::move(config))
      .set("quickStats", std::move(statistics))
      .set("overallStatus", enumeration("ManagedEntityStatus", "green"));
}

// Each snapshot is the parent of the next.
Value snapshot_tree(const MachineRecord& record, std::size_t index) {
  const SnapshotRecord& snapshot = record.snapshots[index];
  Value tree = object("VirtualMachineSnapshotTree");
  tree.set("snapshot", to_value(snapshot_reference(record, snapshot.number)));
  tree.set("vm", to_value({"VirtualMachine", record.id()}));
  tree.set("name", snapshot.name).set("description", snapshot.description).set("id", snapshot.number);
  tree.set("createTime", snapshot.created);
  tree.set("state", enumeration("VirtualMachinePowerState", to_string(snapshot.power)));
  tree.set("quiesced", snapshot.quiesced);
  Value children = array_of("VirtualMachineSnapshotTree");
  if (index + 1 < record.snapshots.size()) children.add(snapshot_tree(record, index + 1));
  return tree.set("childSnapshotList", std::move(children)).set("replaySupported", false);
}

Value snapshot_info(const MachineRecord& record) {
  Value roots = array_of("VirtualMachineSnapshotTree");
  roots.add(snapshot_tree(record, 0));
  return object("VirtualMachineSnapshotInfo")
      .set("currentSnapshot", to_value(snapshot_reference(record, record.snapshots.back().number)))
      .set("rootSnapshotList", std::move(roots));
}

Value layout(const MachineRecord& record, const MachinePlaces& places) {
  Value files = array_of("VirtualMachineFileLayoutExFileInfo");
  int key = 0;
  const auto add = [&](const std::string& name, const char* kind) {
    std::error_code absent;
    const auto size = std::filesystem::file_size(places.home(record) / name, absent);
    files.add(object("VirtualMachineFileLayoutExFileInfo")
                  .set("key", key++)
                  .set("name", datastore_path(record, name))
                  .set("type", kind)
                  .set("size", absent ? std::int64_t{0} : static_cast<std::int64_t>(size)));
  };
  add(record.name + ".vmx", "config");
  for (const DiskRecord& disk : record.disks) {
    add(MachinePlaces::disk_name(record, disk.unit()), "diskDescriptor");
    add(places.flat(record, disk.unit()).filename().string(), "diskExtent");
  }
  if (record.firmware == "uefi") add(record.name + ".nvram", "nvram");
  return object("VirtualMachineFileLayoutEx")
      .set("file", std::move(files))
      .set("timestamp", SystemClock().now());
}

}  // namespace

std::string network_id_of(const MachineRecord& record) {
  return record.network == isolated_network ? isolated_network_id : network_id;
}

Reference snapshot_reference(const MachineRecord& record, int number) {
  return {"VirtualMachineSnapshot", fmt::format("{}-snapshot-{}", record.number, number)};
}

std::optional<SnapshotName> parse_snapshot_id(const std::string& id) {
  constexpr std::string_view middle = "-snapshot-";
  const auto at = id.find(middle);
  if (at == std::string::npos) return std::nullopt;
  SnapshotName name{id.substr(0, at), 0};
  const char* digits = id.data() + at + middle.size();
  const char* end = id.data() + id.size();
  if (digits == end || std::from_chars(digits, end, name.number).ptr != end) return std::nullopt;
  return name;
}

Value machine_object(const MachineRecord& record, const MachinePlaces& places,
                     const std::vector<std::string>& recent_tasks) {
  Value machine = object("VirtualMachine");
  machine.set("parent", to_value({"Folder", vm_folder_id}));
  machine.set("overallStatus", enumeration("ManagedEntityStatus", "green"));
  machine.set("configStatus", enumeration("ManagedEntityStatus", "green"));
  machine.set("name", record.name).set("recentTask", references("Task", recent_tasks));
  machine.set("capability", capability()).set("config", machine_config(record, nullptr));
  machine.set("layoutEx", layout(record, places)).set("resourcePool", to_value({"ResourcePool", pool_id}));
  machine.set("runtime", runtime(record)).set("guest", guest_info(record)).set("summary", summary(record));
  machine.set("datastore", references("Datastore", {datastore_id}));
  machine.set("network", references("Network", {network_id_of(record)}));
  Value roots = array_of("ManagedObjectReference");
  if (!record.snapshots.empty()) {
    machine.set("snapshot", snapshot_info(record));
    roots.add(to_value(snapshot_reference(record, record.snapshots.front().number)));
  }
  machine.set("rootSnapshot", std::move(roots));
  return machine.set("guestHeartbeatStatus", enumeration("ManagedEntityStatus", "gray"));
}

Value snapshot_object(const MachineRecord& record, const SnapshotRecord& snapshot) {
  const auto next = std::find_if(record.snapshots.begin(), record.snapshots.end(),
                                 [&](const SnapshotRecord& other) { return other.number > snapshot.number; });
  Value children = array_of("ManagedObjectReference");
  if (next != record.snapshots.end()) children.add(to_value(snapshot_reference(record, next->number)));
  return object("VirtualMachineSnapshot")
      .set("config", machine_config(record, &snapshot))
      .set("childSnapshot", std::move(children))
      .set("vm", to_value({"VirtualMachine", record.id()}));
}

}  // namespace rekindle::sandbox
