// A converted guest made what it was before: for the way home.
#pragma once

#include <string>
#include <vector>

#include "disk/block_device.h"
#include "guest/conversion.h"

namespace rekindle {

struct UndoReport {
  std::vector<std::string> restored;  // files that are as before again
  std::vector<std::string> left;      // sentences: what the guest changed itself since, and is left alone
  std::vector<std::string> kernels;   // whose initrd, made on EC2, got VMware's storage drivers
  std::vector<std::string> warnings;  // sentences
};

// `now`: the guest's boot disk after its life on EC2, which is changed. `before`: the same disk when it left,
// not converted; it is only read, and what conversion made of it is computed anew. A file that is still what
// the conversion wrote becomes what it was; one that the guest changed (or that an earlier
// Rekindle wrote otherwise) stays, with its original in /var/lib/rekindle/before. Undoing again changes
// nothing. Errors as of convert_guest(), which leave `now` half done: undo an OverlayDisk. `options` as they
// were.
Result<UndoReport> undo_conversion(BlockTarget& now, BlockSource& before, const ConversionOptions& options);

}  // namespace rekindle
