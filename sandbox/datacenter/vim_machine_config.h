// VirtualMachineConfigInfo, with the virtual hardware.
#pragma once

#include "sandbox/datacenter/machine_record.h"
#include "sandbox/datacenter/vim_value.h"

namespace rekindle::sandbox {

// As it is now, or as it was when `frozen` was made.
Value machine_config(const MachineRecord& record, const SnapshotRecord* frozen);
std::string guest_full_name(const MachineRecord& record);
// "[datastore1] web/web.vmx"
std::string datastore_path(const MachineRecord& record, const std::string& file);
// As the API spells it: efi, not uefi.
std::string firmware_name(const MachineRecord& record);

}  // namespace rekindle::sandbox
