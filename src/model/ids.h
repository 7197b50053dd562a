// The ids of the domain. Each is opaque text made by the site or by the catalog.
#pragma once

#include "base/id.h"

namespace rekindle {

using MachineId = Id<struct MachineTag>;  // at its site, stable: instanceUuid of a VM
using DiskId = Id<struct DiskTag>;        // of a machine, stable: backing.uuid, else the device key
using MachineSnapshotId = Id<struct MachineSnapshotTag>;  // at its site
using ImageId = Id<struct ImageTag>;                      // an EBS snapshot: one disk of a DR copy
using VolumeId = Id<struct VolumeTag>;                    // an EBS volume
using TemplateId = Id<struct TemplateTag>;                // an AMI
using InstanceId = Id<struct InstanceTag>;
using RecoveryPointId = Id<struct RecoveryPointTag>;
using JobId = Id<struct JobTag>;

}  // namespace rekindle
