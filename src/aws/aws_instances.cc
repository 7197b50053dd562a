#include "aws/aws_instances.h"

#include <algorithm>
#include <set>

#include "aws/aws_site.h"
#include "aws/pending_snapshots.h"
#include "site/refusal.h"

namespace rekindle {

namespace {

using std::chrono::milliseconds;

// Beside the token: which instance the snapshot is of.
const std::string instance_tag = "rekindle:instance";

const DiskSnapshot* find_disk(const MachineSnapshot& snapshot, const DiskId& disk) {
  for (const DiskSnapshot& one : snapshot.disks) {
    if (one.disk == disk) return &one;
  }
  return nullptr;
}

// Their disks are of two instants, and nobody could say which belong together.
Error two_sets(const MachineSnapshotId& snapshot, const Ec2Snapshot& image) {
  return error(ErrorCode::failed_precondition,
               "AWS has more than one snapshot of volume {} under the name {} ({} is one): they are of "
               "different instants; all of the name are removed with the next backup, which begins anew",
               image.volume, snapshot, image.id);
}

Error no_such_disk(const MachineSnapshot& snapshot, const DiskId& disk) {
  return error(ErrorCode::not_found, "the snapshot {} has no volume {}", snapshot.name, disk);
}

}  // namespace

AwsInstances::AwsInstances(AwsSite& site) : site_(site), lost_(site.clock_, site.options_.settling_time) {}

Result<std::vector<Machine>> AwsInstances::machines() {
  const auto objects = TRY(site_.owned_objects());
  std::vector<Machine> all;
  for (const OwnedObject& object : objects) {
    if (object.kind != ResourceKind::instance) continue;
    all.push_back(TRY(machine(MachineId(object.id))));
  }
  return all;
}

Result<Machine> AwsInstances::machine(const MachineId& id) {
  const Instance instance = TRY(site_.instance(InstanceId(id.str())));
  if (instance.state == InstanceState::terminated || instance.state == InstanceState::terminating)
    return error(ErrorCode::not_found, "the instance {} is terminated", id);
  Machine machine;
  machine.id = id;
  const auto name = instance.tags.find("Name");
  machine.name = name == instance.tags.end() ? id.str() : name->second;
  machine.power = instance.state == InstanceState::stopped ? PowerState::off : PowerState::on;
  machine.change_tracking = true;
  std::vector<VolumeId> ids;
  for (const std::string& volume : instance.volume_ids) ids.emplace_back(volume);
  if (ids.empty()) return machine;
  const auto volumes = TRY(site_.ec2().volumes({.ids = ids, .tags = {}}));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found = std::find_if(volumes.begin(), volumes.end(),
                                    [&](const Ec2Volume& volume) { return volume.id == ids[i]; });
    if (found == volumes.end()) return error(ErrorCode::internal, "AWS does not describe {}", ids[i]);
    machine.disks.push_back(
        {DiskId(ids[i].str()), ids[i].str(), found->size_gib * gib, static_cast<int>(i), ""});
  }
  return machine;
}

Result<> AwsInstances::enable_change_tracking(const MachineId&) {
  return {};
}

Result<std::vector<Ec2Snapshot>> AwsInstances::images_of(const std::string& snapshot_name) {
  return site_.ec2().snapshots({.ids = {}, .tags = {{token_tag, snapshot_name}}});
}

Result<> AwsInstances::wait_until_complete(const std::string& snapshot_name) {
  const auto deadline = site_.clock_.ticks() + site_.options_.completion_time;
  for (milliseconds pause{200};; pause = std::min<milliseconds>(2 * pause, milliseconds(2000))) {
    const auto images = TRY(images_of(snapshot_name));
    for (const Ec2Snapshot& image : images) {
      if (image.state == "error")
        return error(ErrorCode::internal, "the snapshot {} of {} failed at AWS: {}", image.id, image.volume,
                     image.state_message);
    }
    const bool complete = std::all_of(images.begin(), images.end(),
                                      [](const Ec2Snapshot& image) { return image.state == "completed"; });
    if (complete && !images.empty()) return {};
    if (site_.clock_.ticks() >= deadline)
      return error(ErrorCode::unavailable, "the snapshots named {} are still pending", snapshot_name);
    site_.clock_.sleep(pause);
  }
}

// After a call that may have taken effect what it made may not be listed yet. A second set under the same
// name would be of another instant.
Result<std::vector<Ec2Snapshot>> AwsInstances::look_patiently(const std::string& snapshot_name) {
  const auto deadline = site_.clock_.ticks() + site_.options_.settling_time;
  for (milliseconds pause{200};; pause = std::min<milliseconds>(2 * pause, milliseconds(5000))) {
    auto images = TRY(images_of(snapshot_name));
    if (!images.empty() || site_.clock_.ticks() >= deadline) return images;
    site_.clock_.sleep(pause);
  }
}

Result<MachineSnapshot> AwsInstances::create_snapshot(const MachineId& id, const std::string& name) {
  const bool may_exist = lost_.grace(name).count() > 0;
  auto images = TRY(may_exist ? look_patiently(name) : images_of(name));
  if (images.empty()) {
    const Tags tags = site_.marked({{token_tag, name}, {instance_tag, id.str()}});
    auto made = when_few_are_pending(site_.clock_, {}, [&] {
      return site_.ec2().create_snapshots(InstanceId(id.str()), "Rekindle: " + name, tags);
    });
    if (!made.ok() && !is_refusal(made.error().code())) {
      lost_.note(name);
      auto late = after_making(look_patiently(name));
      if (late.ok() && !late->empty()) made = std::move(late);
    }
    images = TRY(std::move(made), "freezing the instance {}", id);
    for (const Ec2Snapshot& image : images) site_.recent_.note(image.id.str());
  }
  TRY(after_making(wait_until_complete(name)));
  return after_making(find_snapshot(id, MachineSnapshotId(name)));
}

Result<std::vector<SnapshotName>> AwsInstances::snapshots(const MachineId& id) {
  const auto images = TRY(site_.ec2().snapshots({.ids = {}, .tags = {{instance_tag, id.str()}}}));
  std::set<std::string> names;
  for (const Ec2Snapshot& image : images) {
    const auto token = image.tags.find(token_tag);
    if (token != image.tags.end()) names.insert(token->second);
  }
  std::vector<SnapshotName> all;
  for (const std::string& name : names) all.push_back({MachineSnapshotId(name), name});
  return all;
}

// Volumes that were attached after it are not in it; one that is gone meanwhile is still.
Result<MachineSnapshot> AwsInstances::find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const auto images = TRY(images_of(snapshot.str()));
  if (images.empty()) return error(ErrorCode::not_found, "the snapshot {} does not exist", snapshot);
  MachineSnapshot found;
  found.id = snapshot;
  found.name = snapshot.str();
  found.machine = TRY(machine(id));
  std::set<std::string> volumes;
  for (const Ec2Snapshot& image : images) {
    if (!volumes.insert(image.volume.str()).second) return two_sets(snapshot, image);
  }
  for (const DiskSpec& disk : found.machine.disks) {
    for (const Ec2Snapshot& image : images) {
      if (image.volume.str() == disk.id.str())
        found.disks.push_back({disk.id, image.size_gib * gib, image.id.str()});
    }
  }
  if (found.disks.empty())
    return error(ErrorCode::failed_precondition, "the snapshot {} is of no volume that {} has", snapshot, id);
  return found;
}

Result<> AwsInstances::remove_snapshot(const MachineId&, const MachineSnapshotId& snapshot) {
  const auto images = TRY(images_of(snapshot.str()));
  for (const Ec2Snapshot& image : images) TRY(site_.remove_image(image.id));
  return {};
}

Result<Extents> AwsInstances::changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                            const std::string& since_change_id) {
  const DiskSnapshot* frozen = find_disk(snapshot, disk);
  if (frozen == nullptr) return no_such_disk(snapshot, disk);
  const auto blocks = site_.ebs().changed_blocks(ImageId(frozen->change_id), ImageId(since_change_id));
  if (!blocks.ok()) {
    const ErrorCode code = blocks.error().code();
    if (code != ErrorCode::invalid_argument && code != ErrorCode::not_found) return blocks.error();
    return error(ErrorCode::failed_precondition, "AWS does not know what changed between {} and {}: {}",
                 since_change_id, frozen->change_id, blocks.error().message());
  }
  std::vector<Extent> areas;
  for (const std::uint64_t index : *blocks) areas.push_back({index * image_block_bytes, image_block_bytes});
  return intersect(normalize(std::move(areas)), {{0, frozen->size_bytes}});
}

Result<std::unique_ptr<BlockSource>> AwsInstances::open_disk(const MachineSnapshot& snapshot,
                                                             const DiskId& disk) {
  const DiskSnapshot* frozen = find_disk(snapshot, disk);
  if (frozen == nullptr) return no_such_disk(snapshot, disk);
  return site_.open_image(ImageId(frozen->change_id));
}

}  // namespace rekindle
