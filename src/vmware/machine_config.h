// From the server's configuration of a VM to a Machine: of the VM as it is, or of one of its snapshots.
#pragma once

#include <string>
#include <vector>

#include "model/machine.h"
#include "vmware/property_collector.h"

namespace rekindle {

// The configuration, which VirtualMachine and VirtualMachineSnapshot have under the same names.
const std::vector<std::string>& config_properties();
// And what only a VirtualMachine has.
const std::vector<std::string>& machine_properties();
// Enough for machine_id().
const std::vector<std::string>& identity_properties();

// How the server sees a disk.
struct VirtualDisk {
  DiskSpec spec;
  int device_key = 0;     // 2000
  std::string file_name;  // "[datastore1] web/web.vmdk"
  std::string change_id;  // empty: not tracked
};

// instanceUuid, else uuid, else the managed object id.
MachineId machine_id(const ObjectProperties& properties, const ManagedObject& vm);

// "poweredOn", "suspended", else off.
PowerState read_power_state(const std::string& state);

// Of `name` and `runtime.question`. `failed_precondition`: the machine waits for somebody's answer; says the
// question, and where to answer.
Result<> check_nothing_is_asked(const ObjectProperties& vm);

// Of properties with config_properties(). Sorted; the first is the one it boots from.
std::vector<VirtualDisk> read_disks(const ObjectProperties& properties);

// `vm` is the machine, also when the properties are of a snapshot. Where they are (power state, reasons for
// refusal), machine_properties() are used.
Machine read_machine(const ObjectProperties& properties, const ManagedObject& vm);

}  // namespace rekindle
