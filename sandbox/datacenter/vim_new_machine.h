// Reading the configuration of a VM that is to be made (vSphere API: VirtualMachineConfigSpec).
#pragma once

#include <variant>

#include "sandbox/datacenter/machine_record.h"
#include "sandbox/datacenter/soap.h"

namespace rekindle::sandbox {

// The hardware of the new VM, or why it cannot be: elements out of the schema's order (InvalidRequest),
// hardware that this host does not have (NotSupported, InvalidDeviceSpec), a datastore or a network that is
// not here.
std::variant<MachineRecord, Fault> read_new_machine(const pugi::xml_node& config);

}  // namespace rekindle::sandbox
