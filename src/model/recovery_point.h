// One machine at one instant, in the vault.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/ids.h"
#include "model/machine.h"

namespace rekindle {

struct RecoveryPointDisk {
  DiskId disk_id;
  std::uint64_t size_bytes = 0;
  // The site's name of this instant of the disk: what a later incremental backup asks its changes since.
  // Empty: not tracked, the next backup reads everything.
  std::string change_id;
  // Of a point taken in the account: blocks of 512 KiB in which it is not what the site had at that instant,
  // because the conversion was undone in them.
  std::vector<std::uint64_t> undone_blocks = {};
};

struct RecoveryPoint {
  RecoveryPointId id;
  std::string vault;
  std::string datacenter;
  std::string account;  // where it ran at that instant, and whose change ids these are; empty: the datacenter
  Machine machine;      // its configuration at that instant; in the account: when it left the datacenter
  Time time{};          // the instant: everything the guest wrote durably before it is in
  std::vector<RecoveryPointDisk> disks;
  bool full = false;                // every disk was read whole
  std::uint64_t bytes_read = 0;     // from the datacenter
  std::uint64_t bytes_stored = 0;   // added to the vault
  std::uint64_t bytes_changed = 0;  // areas the site named as changed (full: the data areas)
  std::string legal_hold;           // why nobody may remove it; empty: not held
};

}  // namespace rekindle
