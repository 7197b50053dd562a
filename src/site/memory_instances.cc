#include "site/memory_instances.h"

#include <algorithm>

#include "site/memory_site.h"

namespace rekindle {

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

const std::string instance_tag = "memory:instance";
const std::string volume_tag = "memory:volume";

Result<std::size_t> position_of(const MachineSnapshot& snapshot, const DiskId& disk) {
  for (std::size_t i = 0; i < snapshot.disks.size(); ++i) {
    if (snapshot.disks[i].disk == disk) return i;
  }
  return error(ErrorCode::not_found, "the snapshot {} has no disk {}", snapshot.id, disk);
}

}  // namespace

Result<std::vector<Machine>> MemoryInstances::machines() {
  const Lock lock(site_.mutex_);
  std::vector<Machine> all;
  for (const auto& [id, stored] : site_.instances_) all.push_back(TRY(machine(MachineId(id))));
  return all;
}

Result<Machine> MemoryInstances::machine(const MachineId& id) {
  const Lock lock(site_.mutex_);
  const Instance instance = TRY(site_.instance(InstanceId(id.str())));
  if (instance.state == InstanceState::terminated)
    return error(ErrorCode::not_found, "the instance {} does not exist", id);
  Machine machine;
  machine.id = id;
  machine.power = instance.state == InstanceState::running ? PowerState::on : PowerState::off;
  machine.change_tracking = true;
  const auto& disks = site_.instances_.at(id.str()).disks;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const DiskId volume(instance.volume_ids.at(i));
    machine.disks.push_back({volume, "disk", disks[i].size(), static_cast<int>(i), ""});
  }
  return machine;
}

Result<> MemoryInstances::enable_change_tracking(const MachineId&) {
  return {};
}

Result<MachineSnapshot> MemoryInstances::create_snapshot(const MachineId& id, const std::string& name) {
  const Lock lock(site_.mutex_);
  TRY(site_.before("freeze_instance"));
  const auto found = site_.instances_.find(id.str());
  if (found == site_.instances_.end()) return error(ErrorCode::not_found, "no instance {}", id);
  if (auto known = find_snapshot(id, MachineSnapshotId(name)); known.ok()) return known;  // by its name
  const MemorySite::StoredInstance& instance = found->second;
  for (std::size_t i = 0; i < instance.disks.size(); ++i) {
    const Bytes& content = instance.disks[i];
    MemorySite::StoredImage stored;
    stored.image.id = ImageId(site_.next_id("image"));
    stored.image.state = ImageState::complete;
    stored.image.size_bytes = content.size();
    stored.image.tags = {
        {token_tag, name}, {instance_tag, id.str()}, {volume_tag, instance.instance.volume_ids.at(i)}};
    stored.content = content;
    const std::string image_id = stored.image.id.str();
    site_.images_.emplace(image_id, std::move(stored));
  }
  TRY(site_.after("freeze_instance"));
  return find_snapshot(id, MachineSnapshotId(name));
}

Result<std::vector<SnapshotName>> MemoryInstances::snapshots(const MachineId& id) {
  const Lock lock(site_.mutex_);
  TRY(site_.before("snapshots"));
  std::vector<SnapshotName> names;
  for (const auto& [image_id, stored] : site_.images_) {
    const auto tag = stored.image.tags.find(instance_tag);
    if (tag == stored.image.tags.end() || tag->second != id.str()) continue;
    const std::string& name = stored.image.tags.at(token_tag);
    const bool known =
        std::any_of(names.begin(), names.end(), [&](const auto& one) { return one.name == name; });
    if (!known) names.push_back({MachineSnapshotId(name), name});
  }
  return names;
}

Result<MachineSnapshot> MemoryInstances::find_snapshot(const MachineId& id,
                                                       const MachineSnapshotId& snapshot) {
  const Lock lock(site_.mutex_);
  MachineSnapshot found;
  found.id = snapshot;
  found.name = snapshot.str();
  found.machine = TRY(machine(id));
  std::vector<const MemorySite::StoredImage*> images;
  for (const auto& [image_id, stored] : site_.images_) {
    const auto tag = stored.image.tags.find(token_tag);
    if (tag != stored.image.tags.end() && tag->second == snapshot.str()) images.push_back(&stored);
  }
  // "image-9" before "image-10": in the order they were made.
  std::sort(images.begin(), images.end(), [](const auto* a, const auto* b) {
    return std::pair(a->image.id.str().size(), a->image.id) <
           std::pair(b->image.id.str().size(), b->image.id);
  });
  if (images.empty()) return error(ErrorCode::not_found, "the snapshot {} does not exist", snapshot);
  for (const auto* one : images) {
    const DiskId volume(one->image.tags.at(volume_tag));
    found.disks.push_back({volume, one->content.size(), one->image.id.str()});
  }
  return found;
}

Result<> MemoryInstances::remove_snapshot(const MachineId&, const MachineSnapshotId& snapshot) {
  const Lock lock(site_.mutex_);
  TRY(site_.before("thaw_instance"));
  std::erase_if(site_.images_, [&](const auto& entry) {
    const auto tag = entry.second.image.tags.find(token_tag);
    return tag != entry.second.image.tags.end() && tag->second == snapshot.str() &&
           entry.second.image.tags.contains(instance_tag);
  });
  return site_.after("thaw_instance");
}

Result<Extents> MemoryInstances::changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                               const std::string& since_change_id) {
  const Lock lock(site_.mutex_);
  TRY(site_.before("changed_areas"));
  const std::size_t position = TRY(position_of(snapshot, disk));
  const auto base = site_.images_.find(since_change_id);
  if (base == site_.images_.end() || site_.lineage_lost_) {
    return error(ErrorCode::failed_precondition, "changes since {} are not known any more", since_change_id);
  }
  const Bytes& before = base->second.content;
  const Bytes& now = site_.images_.at(snapshot.disks[position].change_id).content;
  std::vector<Extent> areas;
  for (std::uint64_t at = 0; at < now.size(); at += image_block_bytes) {
    const std::size_t length = std::min<std::uint64_t>(image_block_bytes, now.size() - at);
    const bool same =
        at + length <= before.size() && std::equal(now.begin() + static_cast<std::ptrdiff_t>(at),
                                                   now.begin() + static_cast<std::ptrdiff_t>(at + length),
                                                   before.begin() + static_cast<std::ptrdiff_t>(at));
    if (!same) areas.push_back({at, length});
  }
  return normalize(std::move(areas));
}

Result<std::unique_ptr<BlockSource>> MemoryInstances::open_disk(const MachineSnapshot& snapshot,
                                                                const DiskId& disk) {
  const Lock lock(site_.mutex_);
  const std::size_t position = TRY(position_of(snapshot, disk));
  return site_.open_image(ImageId(snapshot.disks[position].change_id));
}

}  // namespace rekindle
