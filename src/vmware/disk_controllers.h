// The controllers that disks of a VM can be plugged into, and which disk of a new machine goes where.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "model/machine.h"

namespace rekindle {

struct ControllerKind {
  std::string_view name;  // DiskSpec::controller
  std::string_view type;  // of the vSphere API
  int most_controllers;
  int units;  // of one controller; SCSI's include 7, which is the controller itself
  bool scsi;

  int most_disks() const { return scsi ? units - 1 : units; }  // of one controller
};

// Limits that every hardware version keeps (VMware: "Configuration Maximums").
inline constexpr std::array<ControllerKind, 7> controller_kinds = {{
    {"pvscsi", "ParaVirtualSCSIController", 4, 16, true},
    {"lsilogic-sas", "VirtualLsiLogicSASController", 4, 16, true},
    {"lsilogic", "VirtualLsiLogicController", 4, 16, true},
    {"buslogic", "VirtualBusLogicController", 4, 16, true},
    {"ahci", "VirtualAHCIController", 4, 30, false},
    {"nvme", "VirtualNVMEController", 4, 15, false},
    {"ide", "VirtualIDEController", 2, 2, false},
}};

// By DiskSpec::controller, and by the API's type; nullptr: it is none of these.
const ControllerKind* controller_kind(std::string_view name);
const ControllerKind* controller_kind_of_type(std::string_view type);

// The one it boots from first.
std::vector<DiskSpec> disks_in_order(const Machine& machine);

// How many disks a new machine can have: as many as it had, if they stay where they were.
std::size_t most_disks(const Machine& machine);

struct DiskPlace {
  const ControllerKind* kind;
  int bus;
  int unit;
};
// Of disks_in_order(). Where they were, if all of them say so and it is possible; else one after the other on
// controllers of the first one's kind; where that is not known either, on paravirtual SCSI, for UEFI machines
// on SATA (AHCI), for which guests and firmware need no driver. At most most_disks() disks.
std::vector<DiskPlace> place_disks(const Machine& machine);

}  // namespace rekindle
