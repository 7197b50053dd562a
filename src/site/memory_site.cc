#include "site/memory_site.h"

#include <algorithm>

namespace rekindle {

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

class FrozenReader final : public BlockSource {
 public:
  FrozenReader(Bytes content, std::uint64_t& counter, std::recursive_mutex& mutex)
      : disk_(std::move(content)), counter_(counter), mutex_(mutex) {}
  std::uint64_t size() const override { return disk_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    {
      const Lock lock(mutex_);
      counter_ += bytes.size();
    }
    return disk_.read_at(offset, bytes);
  }
  Result<Extents> data_extents(Extent range) override { return disk_.data_extents(range); }

 private:
  MemoryDisk disk_;
  std::uint64_t& counter_;
  std::recursive_mutex& mutex_;
};

bool carries(const Tags& tags, const Tags& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& tag) {
    const auto found = tags.find(tag.first);
    return found != tags.end() && found->second == tag.second;
  });
}

std::size_t position_of(const Machine& machine, const DiskId& disk) {
  for (std::size_t i = 0; i < machine.disks.size(); ++i) {
    if (machine.disks[i].id == disk) return i;
  }
  return machine.disks.size();
}

}  // namespace

std::string MemorySite::next_id(std::string_view prefix) {
  return fmt::format("{}-{}", prefix, ++counter_);
}

void MemorySite::add_machine(Machine machine) {
  const Lock lock(mutex_);
  Guest guest;
  for (const DiskSpec& disk : machine.disks) guest.disks.push_back({Bytes(disk.size_bytes), {}});
  const std::string id = machine.id.str();
  guest.machine = std::move(machine);
  guests_[id] = std::move(guest);
}

void MemorySite::remove_machine(const MachineId& id) {
  const Lock lock(mutex_);
  guests_.erase(id.str());
}

void MemorySite::guest_writes(const MachineId& id, std::size_t disk, std::uint64_t offset, ByteView bytes) {
  const Lock lock(mutex_);
  Guest& guest = guests_.at(id.str());
  Disk& target = guest.disks.at(disk);
  CHECK(offset + bytes.size() <= target.content.size());
  std::copy(bytes.begin(), bytes.end(), target.content.begin() + static_cast<std::ptrdiff_t>(offset));
  for (std::uint64_t unit = offset / tracking_unit; unit * tracking_unit < offset + bytes.size(); ++unit) {
    target.changed_in[unit] = guest.epoch;
  }
}

Bytes MemorySite::disk_content(const MachineId& id, std::size_t disk) {
  const Lock lock(mutex_);
  return guests_.at(id.str()).disks.at(disk).content;
}

void MemorySite::reset_change_tracking(const MachineId& id) {
  const Lock lock(mutex_);
  Guest& guest = guests_.at(id.str());
  guest.tracked_since = ++guest.epoch;
}

std::size_t MemorySite::snapshot_count() const {
  const Lock lock(mutex_);
  std::size_t count = 0;
  for (const auto& [id, guest] : guests_) count += guest.snapshots.size();
  return count;
}

std::size_t MemorySite::live_instance_count() const {
  const Lock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(instances_.begin(), instances_.end(), [](const auto& entry) {
    return entry.second.instance.state != InstanceState::terminated;
  }));
}

Bytes MemorySite::image_content(const ImageId& id) {
  const Lock lock(mutex_);
  return images_.at(id.str()).content;
}

void MemorySite::damage_image(const ImageId& id, std::uint64_t offset) {
  const Lock lock(mutex_);
  images_.at(id.str()).content.at(offset) ^= std::byte{1};
}

Bytes MemorySite::instance_disk(const InstanceId& id) {
  const Lock lock(mutex_);
  return instances_.at(id.str()).boot_disk;
}

Result<SnapshotSource*> MemorySite::datacenter(const std::string&) {
  TRY(before("datacenter"));
  return static_cast<SnapshotSource*>(this);
}

Result<RecoveryTarget*> MemorySite::account(const std::string&) {
  TRY(before("account"));
  return static_cast<RecoveryTarget*>(this);
}

Result<MemorySite::Guest*> MemorySite::find_guest(const MachineId& id) {
  const auto found = guests_.find(id.str());
  if (found == guests_.end()) return error(ErrorCode::not_found, "the machine {} does not exist", id);
  return &found->second;
}

Result<std::vector<Machine>> MemorySite::machines() {
  const Lock lock(mutex_);
  TRY(before("machines"));
  std::vector<Machine> all;
  for (const auto& [id, guest] : guests_) all.push_back(guest.machine);
  return all;
}

Result<Machine> MemorySite::machine(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("machine"));
  return TRY(find_guest(id))->machine;
}

Result<> MemorySite::enable_change_tracking(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("enable_change_tracking"));
  TRY(find_guest(id))->machine.change_tracking = true;
  return after("enable_change_tracking");
}

MachineSnapshot MemorySite::describe(const Guest& guest, const std::string& id) const {
  const Snapshot& snapshot = guest.snapshots.at(id);
  MachineSnapshot description;
  description.id = MachineSnapshotId(id);
  description.name = snapshot.name;
  description.machine = guest.machine;
  for (std::size_t i = 0; i < guest.machine.disks.size(); ++i) {
    const DiskSpec& disk = guest.machine.disks[i];
    if (!disk.excluded_because.empty()) continue;
    const bool tracked = guest.machine.change_tracking;
    description.disks.push_back(
        {disk.id, disk.size_bytes, tracked ? std::to_string(snapshot.disks[i].epoch) : std::string()});
  }
  return description;
}

Result<MachineSnapshot> MemorySite::create_snapshot(const MachineId& id, const std::string& name) {
  const Lock lock(mutex_);
  TRY(before("create_snapshot"));
  Guest* guest = TRY(find_guest(id));
  ++guest->epoch;
  Snapshot snapshot{name, {}};
  for (const Disk& disk : guest->disks) snapshot.disks.push_back({disk.content, guest->epoch});
  const std::string snapshot_id = next_id("snapshot");
  guest->snapshots.emplace(snapshot_id, std::move(snapshot));
  TRY(after("create_snapshot"));
  return describe(*guest, snapshot_id);
}

Result<std::vector<SnapshotName>> MemorySite::snapshots(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("snapshots"));
  std::vector<SnapshotName> names;
  const Guest* guest = TRY(find_guest(id));
  for (const auto& [snapshot_id, snapshot] : guest->snapshots) {
    names.push_back({MachineSnapshotId(snapshot_id), snapshot.name});
  }
  return names;
}

Result<MachineSnapshot> MemorySite::find_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const Lock lock(mutex_);
  TRY(before("find_snapshot"));
  const Guest* guest = TRY(find_guest(id));
  if (guest->snapshots.count(snapshot.str()) == 0) {
    return error(ErrorCode::not_found, "the snapshot {} does not exist", snapshot);
  }
  return describe(*guest, snapshot.str());
}

Result<> MemorySite::remove_snapshot(const MachineId& id, const MachineSnapshotId& snapshot) {
  const Lock lock(mutex_);
  TRY(before("remove_snapshot"));
  TRY(find_guest(id))->snapshots.erase(snapshot.str());
  return after("remove_snapshot");
}

Result<Extents> MemorySite::changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                          const std::string& since_change_id) {
  const Lock lock(mutex_);
  TRY(before("changed_areas"));
  const Guest* guest = TRY(find_guest(snapshot.machine.id));
  const std::size_t position = position_of(guest->machine, disk);
  const std::uint64_t since = std::strtoull(since_change_id.c_str(), nullptr, 10);
  if (position == guest->disks.size() || since < guest->tracked_since) {
    return error(ErrorCode::failed_precondition, "changes since {} are not known any more", since_change_id);
  }
  const std::uint64_t until = guest->snapshots.at(snapshot.id.str()).disks[position].epoch;
  std::vector<Extent> areas;
  for (const auto& [unit, epoch] : guest->disks[position].changed_in) {
    // A unit written again after the snapshot may have been written before it, too: a superset is allowed.
    if (epoch >= since) areas.push_back({unit * tracking_unit, tracking_unit});
  }
  CHECK(until >= since);
  return intersect(normalize(std::move(areas)), {{0, guest->disks[position].content.size()}});
}

Result<std::unique_ptr<BlockSource>> MemorySite::open_disk(const MachineSnapshot& snapshot,
                                                           const DiskId& disk) {
  const Lock lock(mutex_);
  TRY(before("open_disk"));
  const Guest* guest = TRY(find_guest(snapshot.machine.id));
  const auto found = guest->snapshots.find(snapshot.id.str());
  const std::size_t position = position_of(guest->machine, disk);
  if (found == guest->snapshots.end() || position == guest->disks.size()) {
    return error(ErrorCode::not_found, "the snapshot {} does not exist", snapshot.id);
  }
  return std::unique_ptr<BlockSource>(
      std::make_unique<FrozenReader>(found->second.disks[position].content, bytes_read_, mutex_));
}

Result<std::string> MemorySite::identity() {
  TRY(before("identity"));
  return std::string("memory");
}

Result<ImageId> MemorySite::start_image(const ImageSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("start_image"));
  for (const auto& [id, stored] : images_) {
    if (stored.token == spec.token) return stored.image.id;
  }
  StoredImage stored;
  stored.token = spec.token;
  stored.image.id = ImageId(next_id("image"));
  stored.image.size_bytes = spec.size_bytes;
  stored.image.parent = spec.parent;
  stored.image.tags = spec.tags;
  if (spec.parent) stored.content = images_.at(spec.parent->str()).content;
  const std::uint64_t blocks = (spec.size_bytes + image_block_bytes - 1) / image_block_bytes;
  stored.content.resize(blocks * image_block_bytes);
  const ImageId id = stored.image.id;
  images_.emplace(id.str(), std::move(stored));
  TRY(after("start_image"));
  return id;
}

class MemoryImageWriter final : public ImageWriter {
 public:
  MemoryImageWriter(MemorySite& site, ImageId id) : site_(site), id_(std::move(id)) {}

  Result<> put_block(std::uint64_t index, ByteView content) override {
    const Lock lock(site_.mutex_);
    TRY(site_.before("put_block"));
    CHECK(content.size() == image_block_bytes);
    auto& stored = site_.images_.at(id_.str());
    CHECK(stored.image.state == ImageState::pending);
    std::copy(content.begin(), content.end(),
              stored.content.begin() + static_cast<std::ptrdiff_t>(index * image_block_bytes));
    ++site_.blocks_put_;
    return {};
  }

  Result<> complete() override {
    const Lock lock(site_.mutex_);
    TRY(site_.before("complete"));
    site_.images_.at(id_.str()).image.state = ImageState::complete;
    return site_.after("complete");
  }

 private:
  MemorySite& site_;
  const ImageId id_;
};

Result<std::unique_ptr<ImageWriter>> MemorySite::open_writer(const ImageId& image) {
  const Lock lock(mutex_);
  TRY(before("open_writer"));
  if (images_.count(image.str()) == 0)
    return error(ErrorCode::not_found, "the image {} does not exist", image);
  return std::unique_ptr<ImageWriter>(std::make_unique<MemoryImageWriter>(*this, image));
}

Result<Image> MemorySite::image(const ImageId& id) {
  const Lock lock(mutex_);
  TRY(before("image"));
  const auto found = images_.find(id.str());
  if (found == images_.end()) return error(ErrorCode::not_found, "the image {} does not exist", id);
  return found->second.image;
}

Result<std::unique_ptr<BlockSource>> MemorySite::open_image(const ImageId& id) {
  const Lock lock(mutex_);
  TRY(before("open_image"));
  const auto found = images_.find(id.str());
  if (found == images_.end()) return error(ErrorCode::not_found, "the image {} does not exist", id);
  CHECK(found->second.image.state == ImageState::complete);
  return std::unique_ptr<BlockSource>(std::make_unique<MemoryDisk>(found->second.content));
}

Result<> MemorySite::remove_image(const ImageId& id) {
  const Lock lock(mutex_);
  TRY(before("remove_image"));
  for (const auto& [template_id, spec] : templates_) {
    for (const ImageDisk& disk : spec.disks) {
      if (disk.image == id)
        return error(ErrorCode::failed_precondition, "{} is in use by {}", id, template_id);
    }
  }
  images_.erase(id.str());
  return after("remove_image");
}

Result<std::vector<Image>> MemorySite::find_images(const Tags& tags) {
  const Lock lock(mutex_);
  TRY(before("find_images"));
  std::vector<Image> found;
  for (const auto& [id, stored] : images_) {
    if (carries(stored.image.tags, tags)) found.push_back(stored.image);
  }
  return found;
}

Result<TemplateId> MemorySite::register_template(const TemplateSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("register_template"));
  for (const auto& [id, known] : templates_) {
    if (known.name == spec.name) return TemplateId(id);
  }
  const std::string id = next_id("template");
  templates_.emplace(id, spec);
  TRY(after("register_template"));
  return TemplateId(id);
}

Result<> MemorySite::remove_template(const TemplateId& id) {
  const Lock lock(mutex_);
  TRY(before("remove_template"));
  templates_.erase(id.str());
  return after("remove_template");
}

Result<std::vector<TemplateId>> MemorySite::find_templates(const Tags& tags) {
  const Lock lock(mutex_);
  TRY(before("find_templates"));
  std::vector<TemplateId> found;
  for (const auto& [id, spec] : templates_) {
    if (carries(spec.tags, tags)) found.emplace_back(id);
  }
  return found;
}

Result<InstanceId> MemorySite::launch(const LaunchSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("launch"));
  for (const auto& [id, stored] : instances_) {
    if (stored.token == spec.token) return stored.instance.id;
  }
  const auto found = templates_.find(spec.image_template.str());
  if (found == templates_.end())
    return error(ErrorCode::invalid_argument, "no template {}", spec.image_template);
  StoredInstance stored;
  stored.token = spec.token;
  stored.instance.id = InstanceId(next_id("instance"));
  stored.instance.tags = spec.tags;
  stored.instance.private_ip = spec.private_ip.empty() ? "10.0.0.9" : spec.private_ip;
  stored.instance.state = InstanceState::running;
  stored.boot_disk = images_.at(found->second.disks.at(0).image.str()).content;
  const InstanceId id = stored.instance.id;
  instances_.emplace(id.str(), std::move(stored));
  TRY(after("launch"));
  return id;
}

Result<Instance> MemorySite::instance(const InstanceId& id) {
  const Lock lock(mutex_);
  TRY(before("instance"));
  const auto found = instances_.find(id.str());
  if (found == instances_.end()) return error(ErrorCode::not_found, "the instance {} does not exist", id);
  return found->second.instance;
}

Result<> MemorySite::terminate(const InstanceId& id) {
  const Lock lock(mutex_);
  TRY(before("terminate"));
  const auto found = instances_.find(id.str());
  if (found != instances_.end()) found->second.instance.state = InstanceState::terminated;
  return after("terminate");
}

Result<std::vector<Instance>> MemorySite::find_instances(const Tags& tags) {
  const Lock lock(mutex_);
  TRY(before("find_instances"));
  std::vector<Instance> found;
  for (const auto& [id, stored] : instances_) {
    if (stored.instance.state != InstanceState::terminated && carries(stored.instance.tags, tags)) {
      found.push_back(stored.instance);
    }
  }
  return found;
}

Result<std::string> MemorySite::console_output(const InstanceId& id) {
  TRY(before("console_output"));
  return fmt::format("console of {}\n", id);
}

Result<> MemorySite::check_launch(const LaunchSpec& spec) {
  TRY(before("check_launch"));
  if (spec.instance_type == "none")
    return error(ErrorCode::invalid_argument, "instance type 'none' does not exist");
  return {};
}

}  // namespace rekindle
