// What failback needs of a datacenter: machines that are made, written while they are off, and started.
// Implementations: VsphereSite (vmware/), MemorySite (site/memory_site.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "disk/block_device.h"
#include "model/ids.h"
#include "model/machine.h"

namespace rekindle {

struct NewMachine {
  // As the recovery point has it: name, firmware, CPUs, memory, guest OS, disks with their sizes, network
  // adapters with their MAC addresses.
  Machine machine;
  std::string token;      // written into the machine's configuration, so that it is found again
  std::string datastore;  // empty: the one with the most room
  // Network of the recovery point -> network there. Others keep their name.
  std::map<std::string, std::string> networks;
  bool keep_mac_addresses = true;  // false: for a copy that runs beside the original
  // The original is gone: the new machine takes over its id, and its disks those of the old disks, where the
  // site can; so that backups go on where they were.
  bool keep_ids = false;
  // As SnapshotSource::firmware_variables() of the same kind of site gave them; empty: the firmware begins
  // with new ones, and looks for a boot loader where the disk has its fallback.
  Bytes firmware_variables{};
};

// Any number of threads. Errors common to all: as those of SnapshotSource.
class RestoreTarget {
 public:
  virtual ~RestoreTarget() = default;

  // Whether create_machine would be accepted: name free, datastore with room, networks there.
  // And whether its disks could be written then. `failed_precondition`, `exhausted`, `invalid_argument`:
  // names the wrong value and the right ones.
  virtual Result<> check_new_machine(const NewMachine& wanted) = 0;
  // Whether open_disk_to_write would be accepted, were the machine off. Changes nothing, cheap: to be asked
  // before anything is stopped or read for it. `failed_precondition`: says what is in the way; `not_found`.
  virtual Result<> check_writable(const MachineId& id) = 0;
  // Makes a machine that is off, its disks all zeros and thin, changed block tracking on. Repeatable: the
  // same token, the same machine, also after a crash or a lost answer. That the firmware's variables cannot
  // be given to it is logged and no error, but for what may work later: `unavailable`, and it is there.
  virtual Result<MachineId> create_machine(const NewMachine& wanted) = 0;
  virtual Result<std::optional<MachineId>> find_machine(const std::string& token) = 0;
  // With its disks; powers it off before. Absent is fine.
  virtual Result<> remove_machine(const MachineId& id) = 0;

  virtual Result<> power_on(const MachineId& id) = 0;   // on is fine
  virtual Result<> power_off(const MachineId& id) = 0;  // at once, as by pulling the plug; off is fine

  // Writes a disk of a machine that is off and has no snapshot (`failed_precondition` otherwise). Changed
  // block tracking sees the writes. Close it before power_on(). It must not outlive this site.
  virtual Result<std::unique_ptr<BlockTarget>> open_disk_to_write(const MachineId& id,
                                                                  const DiskId& disk) = 0;
};

}  // namespace rekindle
