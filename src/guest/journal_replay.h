// A crash-consistent ext4 has changes that are in its journal only: they must be brought home before anything
// else is written, as the kernel does when it mounts (fs/jbd2/recovery.c).
#pragma once

#include "disk/block_device.h"

namespace rekindle {

struct JournalReplay {
  std::uint64_t transactions = 0;
  std::uint64_t blocks_written = 0;
  std::uint64_t blocks_revoked = 0;  // old copies that were rightly not written
};

// Writes all committed transactions home, empties the journal and clears needs_recovery. A file system that
// does not need it is left as it is. Repeating it after a failure is safe: the journal is emptied last.
// Orphaned inodes are left to the kernel, as e2fsck -E journal_only leaves them.
// `corrupt`: a committed transaction has a wrong checksum or points outside the volume; nothing else was
// trusted. `failed_precondition`: fast commits, an external journal, features not known.
Result<JournalReplay> replay_journal(BlockTarget& volume);

}  // namespace rekindle
