// The configuration of a new machine as CreateVM_Task takes it (vSphere API: VirtualMachineConfigSpec), and
// the mark by which it is found again.
#pragma once

#include <string>
#include <string_view>

#include "vmware/placement.h"
#include "vmware/property_collector.h"

namespace rekindle {

// `invalid_argument`: no disk, or more disks or network cards than a machine can have.
Result<> check_hardware(const Machine& machine);

// <config>: hardware as the recovery point has it: its version, firmware with secure boot, sockets, disks on
// the controllers where they were (vmware/disk_controllers.h), but thin; its BIOS UUID if it keeps its ids.
// Network cards are vmxnet3. Changed block tracking is on. The variables of UEFI are none of it: they are
// given to the machine once it is there (vmware/nvram.h). Of a machine that passes check_hardware().
std::string vm_config_spec(const NewMachine& wanted, const Placement& placement);

// An <extraConfig> for a machine's specification, and what `config.extraConfig` says under a key; empty:
// nothing.
std::string extra_config_option(std::string_view key, std::string_view value);
std::string extra_config_value(const ObjectProperties& properties, std::string_view key);

// The token of `config.extraConfig`; empty: it was not made by us.
std::string token_of(const ObjectProperties& properties);

}  // namespace rekindle
