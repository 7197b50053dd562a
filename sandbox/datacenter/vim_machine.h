// A VM and its snapshots as managed objects of vSphere's API 6.7.
#pragma once

#include "sandbox/datacenter/machine.h"
#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

// Ids of the objects that a standalone host has once.
constexpr auto datastore_id = "5f1c0001-2d6e0c1a-8a4b-000c29a1b2c3";
constexpr auto datastore_name = "datastore1";
constexpr auto network_id = "HaNetwork-VM Network";
constexpr auto isolated_network_id = "HaNetwork-Isolated";
constexpr auto host_id = "ha-host";
constexpr auto pool_id = "ha-root-pool";
constexpr auto vm_folder_id = "ha-folder-vm";

// That the machine is connected to.
std::string network_id_of(const MachineRecord& record);

Reference snapshot_reference(const MachineRecord& record, int number);
// The machine and the number in such a reference's id, "1-snapshot-3"; none if it is not one.
struct SnapshotName {
  std::string machine_id;
  int number = 0;
};
std::optional<SnapshotName> parse_snapshot_id(const std::string& id);

Value machine_object(const MachineRecord& record, const MachinePlaces& places,
                     const std::vector<std::string>& recent_tasks);
// A snapshot shows the configuration of its instant: its disks are the frozen ones.
Value snapshot_object(const MachineRecord& record, const SnapshotRecord& snapshot);

}  // namespace rekindle::sandbox
