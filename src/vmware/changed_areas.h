// Changed block tracking (CBT): which parts of a disk differ since an earlier snapshot.
#pragma once

#include <string>

#include "disk/extent.h"
#include "vmware/vim_session.h"

namespace rekindle {

struct TrackedDisk {
  ManagedObject vm;
  ManagedObject snapshot;
  int device_key = 0;
  std::uint64_t size_bytes = 0;
};

// A change id is a UUID, '/', and a number; ids with different UUIDs know nothing of each other.
// Empty when the text has another form.
std::string_view tracking_uuid(std::string_view change_id);

// QueryChangedDiskAreas over the whole disk. `since_change_id` "*" asks for all areas in use.
// `failed_precondition` when the server cannot tell: then everything must be read.
Result<Extents> query_changed_areas(VimSession& session, const TrackedDisk& disk,
                                    const std::string& since_change_id);

}  // namespace rekindle
