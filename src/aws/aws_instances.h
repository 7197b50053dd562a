// The instances of an AWS account as machines that can be frozen and read: what protects a machine while it
// runs there, and brings it home.
//
//   machine id   the instance's
//   disk id      the volume's; the root is the first, the others follow by their device names
//   snapshot id  its name, which all of its EBS snapshots carry as their token tag
//   change id    the EBS snapshot's
//
// A snapshot is of all volumes at one instant (CreateSnapshots), as after a power cut.
#pragma once

#include "aws/ec2_types.h"
#include "aws/recently_made.h"
#include "site/snapshot_source.h"

namespace rekindle {

class AwsSite;

// Any number of threads.
class AwsInstances final : public SnapshotSource {
 public:
  explicit AwsInstances(AwsSite& site);  // which outlives this

  Result<std::vector<Machine>> machines() override;  // those that this installation started
  Result<Machine> machine(const MachineId& id) override;
  Result<> enable_change_tracking(const MachineId& id) override;  // EBS always knows
  // Waits until AWS has copied what was written since the last one. CreateSnapshots has no client token: an
  // earlier call that may have taken effect is looked for by name first.
  Result<MachineSnapshot> create_snapshot(const MachineId& id, const std::string& name) override;
  Result<std::vector<SnapshotName>> snapshots(const MachineId& id) override;
  // `failed_precondition` when there are two sets of the name: their instants differ.
  Result<MachineSnapshot> find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  Result<> remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) override;
  // `failed_precondition` also where the two are not of one lineage.
  Result<Extents> changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                const std::string& since_change_id) override;
  Result<std::unique_ptr<BlockSource>> open_disk(const MachineSnapshot& snapshot,
                                                 const DiskId& disk) override;

 private:
  Result<std::vector<Ec2Snapshot>> images_of(const std::string& snapshot_name);
  Result<std::vector<Ec2Snapshot>> look_patiently(const std::string& snapshot_name);
  Result<> wait_until_complete(const std::string& snapshot_name);

  AwsSite& site_;
  RecentlyMade lost_;  // names of sets whose making was not answered
};

}  // namespace rekindle
