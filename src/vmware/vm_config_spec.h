// The configuration of a new machine as CreateVM_Task takes it (vSphere API: VirtualMachineConfigSpec), and
// the mark by which it is found again.
#pragma once

#include <string>

#include "vmware/placement.h"
#include "vmware/property_collector.h"

namespace rekindle {

// `invalid_argument`: no disk, or more disks or network cards than a machine can have.
Result<> check_hardware(const Machine& machine);

// <config>: hardware as the recovery point has it, but for what it does not say: disks on VMware's
// paravirtual SCSI controllers, on SATA (AHCI) for UEFI machines, whose guests and firmware need no driver
// for it; thin; network cards are vmxnet3. Changed block tracking is on. Of a machine that passes
// check_hardware().
std::string vm_config_spec(const NewMachine& wanted, const Placement& placement);

// The token of `config.extraConfig`; empty: it was not made by us.
std::string token_of(const ObjectProperties& properties);

}  // namespace rekindle
