// The snapshots of one VM: a tree at the server, a list here.
#pragma once

#include <string>
#include <vector>

#include "vmware/property_collector.h"

namespace rekindle {

struct SnapshotNode {
  ManagedObject snapshot;
  std::string name;
  std::string power_state;  // of the machine at that instant
};

// From the property `snapshot` of a VirtualMachine (absent: none).
std::vector<SnapshotNode> read_snapshot_tree(const XmlElement& snapshot_info);

Result<std::vector<SnapshotNode>> list_snapshots(VimSession& session, const ManagedObject& vm);

}  // namespace rekindle
