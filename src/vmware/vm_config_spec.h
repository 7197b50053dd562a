// The configuration of a new machine as CreateVM_Task takes it (vSphere API: VirtualMachineConfigSpec), and
// the mark by which it is found again.
#pragma once

#include <string>

#include "vmware/placement.h"
#include "vmware/property_collector.h"

namespace rekindle {

// `invalid_argument`: no disk, or more disks or network cards than a machine can have.
Result<> check_hardware(const Machine& machine);

// <config>: hardware as the recovery point has it: its version, firmware with secure boot, sockets, disks on
// the controllers where they were (vmware/disk_controllers.h), but thin; its BIOS UUID if it keeps its ids.
// Network cards are vmxnet3. Changed block tracking is on. The variables of UEFI (NVRAM) are new. Of a
// machine that passes check_hardware().
std::string vm_config_spec(const NewMachine& wanted, const Placement& placement);

// The token of `config.extraConfig`; empty: it was not made by us.
std::string token_of(const ObjectProperties& properties);

}  // namespace rekindle
