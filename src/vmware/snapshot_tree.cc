#include "vmware/snapshot_tree.h"

namespace rekindle {

std::vector<SnapshotNode> read_snapshot_tree(const XmlElement& snapshot_info) {
  std::vector<SnapshotNode> nodes;
  std::vector<XmlElement> open = snapshot_info.children("rootSnapshotList");
  while (!open.empty()) {
    const XmlElement node = open.back();
    open.pop_back();
    nodes.push_back(
        {read_reference(node.child("snapshot")), node.child("name").text(), node.child("state").text()});
    const auto children = node.children("childSnapshotList");
    open.insert(open.end(), children.begin(), children.end());
  }
  return nodes;
}

Result<std::vector<SnapshotNode>> list_snapshots(VimSession& session, const ManagedObject& vm) {
  const ObjectProperties properties = TRY(read_properties(session, vm, {"snapshot"}));
  return read_snapshot_tree(properties.get("snapshot"));
}

}  // namespace rekindle
