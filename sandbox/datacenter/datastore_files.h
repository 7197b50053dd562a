// The files of a VM that a client finds in the datastore beside its flat disks: .vmx and disk descriptors.
#pragma once

#include "base/result.h"
#include "sandbox/datacenter/machine_record.h"

namespace rekindle::sandbox {

// The .vmx and the descriptor of every flat file, written anew; a descriptor is what makes "x-flat.vmdk" a
// VMDK
// ("Virtual Disk Format 5.0", VMware).
Result<> write_datastore_files(const MachineRecord& record, const MachinePlaces& places);
Result<> write_delta_descriptors(const MachineRecord& record, const MachinePlaces& places, int delta);
Result<> remove_delta_descriptors(const MachineRecord& record, const MachinePlaces& places, int delta);

}  // namespace rekindle::sandbox
