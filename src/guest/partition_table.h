// The partitions of a disk: MBR with logical partitions, or GPT with its backup (UEFI specification 2.10,
// chapter 5). Sectors of 512 bytes, as VMware's disks have. The table is hostile input: every range returned
// lies inside the disk.
#pragma once

#include <string>
#include <vector>

#include "disk/block_device.h"

namespace rekindle {

enum class PartitionScheme { none, mbr, gpt };

struct Partition {
  int number = 0;    // as in /dev/sda1; 0: the whole disk, without a table
  Extent range;      // bytes
  std::string type;  // "83", or a GUID in lower case
  bool efi_system = false;
};

struct PartitionTable {
  PartitionScheme scheme = PartitionScheme::none;
  std::vector<Partition> partitions;  // ascending by number
  std::vector<std::string> warnings;  // what was wrong with the table, but could be helped
  bool has_boot_code = false;         // the first sector holds a BIOS boot loader
};

// `corrupt` if the table is damaged beyond its backup.
Result<PartitionTable> read_partition_table(BlockSource& disk);

}  // namespace rekindle
