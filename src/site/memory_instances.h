// The instances of a MemorySite as machines that can be frozen and read.
#pragma once

#include "site/snapshot_source.h"

namespace rekindle {

class MemorySite;

// A snapshot is named by what create_snapshot was given, and is an image of each disk that carries the name
// as its token. A change id is the id of an image.
class MemoryInstances final : public SnapshotSource {
 public:
  explicit MemoryInstances(MemorySite& site) : site_(site) {}

  Result<std::vector<Machine>> machines() override;
  Result<Machine> machine(const MachineId& id) override;
  Result<> enable_change_tracking(const MachineId& id) override;
  Result<MachineSnapshot> create_snapshot(const MachineId& id, const std::string& name) override;
  Result<std::vector<SnapshotName>> snapshots(const MachineId& id) override;
  Result<MachineSnapshot> find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<> remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<Extents> changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                const std::string& since_change_id) override;
  Result<std::unique_ptr<BlockSource>> open_disk(const MachineSnapshot& snapshot,
                                                 const DiskId& disk) override;

 private:
  MemorySite& site_;
};

}  // namespace rekindle
