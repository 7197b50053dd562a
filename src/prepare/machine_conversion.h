// A machine's disks made to boot on EC2, without writing to them: the few blocks of the boot disk that must
// differ. Ahead of time they are computed from the recovery point; at failover from the DR copy.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/result.h"
#include "disk/block_device.h"
#include "disk/patched_disk.h"
#include "guest/conversion.h"
#include "model/dr_plan.h"
#include "site/recovery_target.h"

namespace rekindle {

// The disks of one machine, in their order; the first is the one it boots from. Of the machine's own sizes:
// images are rounded up to the site's unit, but backup structures of a partition table are looked for at the
// end of the disk.
using MachineDisks = std::vector<std::unique_ptr<BlockSource>>;

struct MachineConversion {
  PatchedDisk::Blocks blocks;   // of image_block_bytes each, padded with zeros
  nlohmann::json report;        // what was changed, for people and for the record
  BootCertificate certificate;  // not signed yet
};

// Repeatable: the same disks give the same blocks. `failed_precondition` with the reason when the guest
// cannot be converted: it is damaged, full, or lacks what it needs. Other errors: the disks cannot be read,
// which says nothing about the guest (`corrupt`: the vault that holds them is damaged).
Result<MachineConversion> convert_machine(const MachineDisks& disks, Firmware firmware);

struct MachineReturn {
  PatchedDisk::Blocks blocks;  // of the boot disk, of image_block_bytes each, padded with zeros
  nlohmann::json report;       // what was undone, and what was not, for people
};

// The way home: what must differ on the boot disk `now` of a machine that lived at the other site, so that it
// is no longer converted. `before`: its disks when it left. Errors as of convert_machine().
Result<MachineReturn> return_machine(BlockSource& now, const MachineDisks& before);

// The same of a machine that was born at the other site: what must differ so that it boots on VMware, the
// boot disk `now` and the others as they are.
Result<MachineReturn> adapt_machine(BlockSource& now, const std::vector<BlockSource*>& data_disks);

// Whether such an error is about the guest itself, so that trying again is of no use.
bool cannot_be_converted(const Error& error);

// For the record: which blocks, and what they hold.
std::vector<ConvertedBlock> overlay_of(const PatchedDisk::Blocks& blocks);

// The disks of a DR copy, read from the site.
Result<MachineDisks> open_copy(RecoveryTarget& site, const DrCopy& copy);

}  // namespace rekindle
