// The region half: images, templates, instances.
#include <algorithm>

#include "site/memory_site.h"

namespace rekindle {

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

bool carries(const Tags& tags, const Tags& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& tag) {
    const auto found = tags.find(tag.first);
    return found != tags.end() && found->second == tag.second;
  });
}

// What the blocks of an encrypted image hold that nobody put.
constexpr std::byte garbage{0xa5};

// What an image that is not encrypted leaves out reads so on an encrypted volume of it.
void spoil_zeros(Bytes& content) {
  for (std::size_t at = 0; at < content.size(); at += image_block_bytes) {
    const ByteSpan block = ByteSpan(content).subspan(at, image_block_bytes);
    if (all_zero(block)) std::ranges::fill(block, garbage);
  }
}

}  // namespace

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

Bytes MemorySite::instance_disk(const InstanceId& id, std::size_t disk) {
  const Lock lock(mutex_);
  return instances_.at(id.str()).disks.at(disk);
}

void MemorySite::instance_writes(const InstanceId& id, std::size_t disk, std::uint64_t offset,
                                 ByteView bytes) {
  const Lock lock(mutex_);
  Bytes& content = instances_.at(id.str()).disks.at(disk);
  CHECK(offset + bytes.size() <= content.size());
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

void MemorySite::attach_volume(const InstanceId& id, std::size_t position, const std::string& volume,
                               Bytes content) {
  const Lock lock(mutex_);
  StoredInstance& stored = instances_.at(id.str());
  const auto at = static_cast<std::ptrdiff_t>(position);
  stored.instance.volume_ids.insert(stored.instance.volume_ids.begin() + at, volume);
  stored.disks.insert(stored.disks.begin() + at, std::move(content));
}

LaunchSpec MemorySite::launch_spec_of(const InstanceId& id) {
  const Lock lock(mutex_);
  return instances_.at(id.str()).spec;
}

void MemorySite::end_instance(const InstanceId& id, const std::string& reason) {
  const Lock lock(mutex_);
  Instance& instance = instances_.at(id.str()).instance;
  instance.state = InstanceState::stopped;
  instance.state_reason = reason;
}

void MemorySite::find_no_room(const InstanceId& id) {
  const Lock lock(mutex_);
  Instance& instance = instances_.at(id.str()).instance;
  instance.state = InstanceState::terminated;
  instance.state_reason = "no capacity";
  instance.had_no_capacity = true;
}

Result<std::string> MemorySite::identity() {
  TRY(before("identity"));
  return std::string("memory");
}

Result<ImageId> MemorySite::start_image(const ImageSpec& spec) {
  const Lock lock(mutex_);
  if (encrypts_by_default_ && spec.parent && !images_.at(spec.parent->str()).image.zeros_must_be_put)
    return error(ErrorCode::failed_precondition, "{} is not encrypted and gets no children", *spec.parent);
  return begin_image(spec);
}

Result<ImageId> MemorySite::begin_image(const ImageSpec& spec) {
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
  stored.image.zeros_must_be_put = spec.parent ? images_.at(spec.parent->str()).image.zeros_must_be_put
                                               : spec.encryption.encrypted || encrypts_by_default_;
  if (spec.parent) stored.content = images_.at(spec.parent->str()).content;
  const std::uint64_t blocks = (spec.size_bytes + image_block_bytes - 1) / image_block_bytes;
  stored.content.resize(blocks * image_block_bytes, stored.image.zeros_must_be_put ? garbage : std::byte());
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

  using ImageWriter::complete;
  Result<> complete(std::stop_token) override {
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
  if (found == images_.end() || is_denied(id.str()))
    return error(ErrorCode::not_found, "the image {} does not exist", id);
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
  if (is_denied(id.str())) return {};
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
    if (carries(stored.image.tags, tags) && !is_denied(id)) found.push_back(stored.image);
  }
  return found;
}

Result<VolumeId> MemorySite::create_volume(const VolumeSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("create_volume"));
  for (const auto& [id, stored] : volumes_) {
    if (stored.spec.token == spec.token) return VolumeId(id);
  }
  const StoredImage* from = spec.from ? &images_.at(spec.from->str()) : nullptr;
  const bool from_encrypted = from != nullptr && from->image.zeros_must_be_put;
  StoredVolume stored{spec, {}};
  stored.encrypted = from_encrypted || encrypts_by_default_ || (from == nullptr && spec.encryption.encrypted);
  stored.zeros_must_be_put = stored.encrypted && !from_encrypted;
  if (from != nullptr) stored.content = from->content;
  if (stored.zeros_must_be_put) spoil_zeros(stored.content);
  stored.content.resize((spec.size_bytes + image_block_bytes - 1) / image_block_bytes * image_block_bytes,
                        stored.encrypted ? garbage : std::byte());
  const std::string id = next_id("volume");
  volumes_.emplace(id, std::move(stored));
  TRY(after("create_volume"));
  return VolumeId(id);
}

Result<bool> MemorySite::zeros_must_be_put(const VolumeId& id) {
  const Lock lock(mutex_);
  const auto volume = volumes_.find(id.str());
  if (volume == volumes_.end()) return error(ErrorCode::not_found, "the volume {} does not exist", id);
  return volume->second.zeros_must_be_put;
}

class MemoryVolumeWriter final : public ImageWriter {
 public:
  MemoryVolumeWriter(MemorySite& site, VolumeId id) : site_(site), id_(std::move(id)) {}

  Result<> put_block(std::uint64_t index, ByteView content) override {
    const Lock lock(site_.mutex_);
    TRY(site_.before("put_block"));
    copy_bytes(content, ByteSpan(site_.volumes_.at(id_.str()).content).subspan(index * image_block_bytes));
    ++site_.blocks_put_;
    return {};
  }
  using ImageWriter::complete;
  Result<> complete(std::stop_token) override { return site_.before("complete"); }

 private:
  MemorySite& site_;
  const VolumeId id_;
};

Result<std::unique_ptr<ImageWriter>> MemorySite::open_volume_writer(const VolumeId& id) {
  const Lock lock(mutex_);
  TRY(before("open_volume_writer"));
  if (!volumes_.contains(id.str())) return error(ErrorCode::not_found, "the volume {} does not exist", id);
  return std::unique_ptr<ImageWriter>(std::make_unique<MemoryVolumeWriter>(*this, id));
}

Result<ImageId> MemorySite::freeze_volume(const VolumeId& id, const ImageSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("freeze_volume"));
  const auto volume = volumes_.find(id.str());
  if (volume == volumes_.end()) return error(ErrorCode::not_found, "the volume {} does not exist", id);
  const ImageId image = TRY(begin_image(spec));
  StoredImage& stored = images_.at(image.str());
  stored.content = volume->second.content;
  stored.image.zeros_must_be_put = volume->second.encrypted;
  stored.image.state = ImageState::complete;
  TRY(after("freeze_volume"));
  return image;
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
  if (!is_denied(id.str())) templates_.erase(id.str());
  return after("remove_template");
}

Result<std::vector<TemplateId>> MemorySite::find_templates(const Tags& tags) {
  const Lock lock(mutex_);
  TRY(before("find_templates"));
  std::vector<TemplateId> found;
  for (const auto& [id, spec] : templates_) {
    if (carries(spec.tags, tags) && !is_denied(id)) found.emplace_back(id);
  }
  return found;
}

Result<InstanceId> MemorySite::launch(const LaunchSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("launch"));
  for (const auto& [id, stored] : instances_) {
    if (stored.spec.token == spec.token) return stored.instance.id;
  }
  const auto found = templates_.find(spec.image_template.str());
  if (found == templates_.end())
    return error(ErrorCode::invalid_argument, "no template {}", spec.image_template);
  StoredInstance stored;
  stored.spec = spec;
  stored.instance.id = InstanceId(next_id("instance"));
  stored.instance.instance_type = spec.instance_type;
  stored.instance.tags = spec.tags;
  stored.instance.private_ip = spec.private_ip.empty() ? "10.0.0.9" : spec.private_ip;
  stored.instance.state = InstanceState::running;
  for (const ImageDisk& disk : found->second.disks) {
    stored.instance.volume_ids.push_back("disk-" + std::to_string(stored.disks.size()));
    stored.disks.push_back(images_.at(disk.image.str()).content);
    stored.from.push_back(disk.image);
  }
  const InstanceId id = stored.instance.id;
  instances_.emplace(id.str(), std::move(stored));
  TRY(after("launch"));
  return id;
}

Result<> MemorySite::adjust(const InstanceId& id, const LaunchSpec& spec) {
  const Lock lock(mutex_);
  TRY(before("adjust"));
  const auto found = instances_.find(id.str());
  if (found == instances_.end()) return error(ErrorCode::not_found, "the instance {} does not exist", id);
  if (!spec.elastic_ip.empty()) found->second.instance.public_ip = "198.51.100.7";
  return after("adjust");
}

Result<> MemorySite::stop(const InstanceId& id) {
  const Lock lock(mutex_);
  TRY(before("stop"));
  const auto found = instances_.find(id.str());
  if (found == instances_.end()) return error(ErrorCode::not_found, "the instance {} does not exist", id);
  found->second.instance.state = InstanceState::stopped;
  return after("stop");
}

Result<> MemorySite::start(const InstanceId& id) {
  const Lock lock(mutex_);
  TRY(before("start"));
  const auto found = instances_.find(id.str());
  if (found == instances_.end()) return error(ErrorCode::not_found, "the instance {} does not exist", id);
  found->second.instance.state = InstanceState::running;
  return after("start");
}

Result<Instance> MemorySite::instance(const InstanceId& id) {
  const Lock lock(mutex_);
  TRY(before("instance"));
  const auto found = instances_.find(id.str());
  if (found == instances_.end() || is_denied(id.str()))
    return error(ErrorCode::not_found, "the instance {} does not exist", id);
  return found->second.instance;
}

Result<> MemorySite::terminate(const InstanceId& id) {
  const Lock lock(mutex_);
  TRY(before("terminate"));
  const auto found = instances_.find(id.str());
  if (found != instances_.end() && !is_denied(id.str()))
    found->second.instance.state = InstanceState::terminated;
  return after("terminate");
}

Result<std::vector<Instance>> MemorySite::find_instances(const Tags& tags) {
  const Lock lock(mutex_);
  TRY(before("find_instances"));
  std::vector<Instance> found;
  for (const auto& [id, stored] : instances_) {
    if (stored.instance.state != InstanceState::terminated && carries(stored.instance.tags, tags) &&
        !is_denied(id)) {
      found.push_back(stored.instance);
    }
  }
  return found;
}

Result<std::string> MemorySite::console_output(const InstanceId& id) {
  TRY(before("console_output"));
  return fmt::format("console of {}\n", id);
}

Result<bool> MemorySite::passes_site_checks(const InstanceId& id) {
  TRY(before("passes_site_checks"));
  return TRY(instance(id)).state == InstanceState::running;
}

Result<> MemorySite::check_template(const TemplateSpec& spec) {
  TRY(before("check_template"));
  for (const ImageDisk& disk : spec.disks) TRY(image(disk.image));
  return {};
}

// Of "small" as many as one likes, of "large" one.
Result<Unproven> MemorySite::check_quotas(const std::vector<LaunchSpec>& specs) {
  TRY(before("check_quotas"));
  const auto large = std::count_if(specs.begin(), specs.end(),
                                   [](const LaunchSpec& spec) { return spec.instance_type == "large"; });
  if (large <= 1) return Unproven{};
  return error(ErrorCode::exhausted, "{} of type large are wanted, the quota allows 1", large);
}

Result<Unproven> MemorySite::check_key(const std::string& kms_key) {
  TRY(before("check_key"));
  if (kms_key == "no-key") return error(ErrorCode::invalid_argument, "there is no key '{}'", kms_key);
  return Unproven{};
}

Result<bool> MemorySite::encrypts_by_default() {
  TRY(before("encrypts_by_default"));
  return encrypts_by_default_;
}

Result<TriedCalls> MemorySite::try_calls(const DrCopy& copy, const PlannedCalls& planned) {
  TRY(before("try_calls"));
  planned_calls_ = planned;
  if (!refused_.empty()) return TriedCalls{{}, refused_, {}};
  if (copy.disks.empty()) return TriedCalls{{}, {}, {"remove_image", "terminate"}};
  return instances_.empty() ? TriedCalls{{"remove_image"}, {}, {"terminate"}}
                            : TriedCalls{{"remove_image", "terminate"}, {}, {}};
}

Result<Unproven> MemorySite::check_launch(const LaunchSpec& spec) {
  TRY(before("check_launch"));
  if (spec.instance_type == "none")
    return error(ErrorCode::invalid_argument, "instance type 'none' does not exist");
  return Unproven{};
}

Result<std::string> MemorySite::propose_instance_type(int vcpus, std::uint64_t memory_mib,
                                                      const std::string&) {
  TRY(before("propose_instance_type"));
  if (vcpus <= 2 && memory_mib <= 2048) return std::string("small");
  if (vcpus <= 8 && memory_mib <= 32768) return std::string("large");
  return error(ErrorCode::exhausted, "no instance type has {} vCPUs and {} MiB", vcpus, memory_mib);
}

Result<InstanceSize> MemorySite::size_of_type(const std::string& instance_type) {
  TRY(before("size_of_type"));
  if (instance_type == "small") return InstanceSize{2, 2048};
  if (instance_type == "large") return InstanceSize{8, 32768};
  return error(ErrorCode::not_found, "there is no instance type '{}'", instance_type);
}

Result<Subnet> MemorySite::subnet(const std::string& subnet_id) {
  TRY(before("subnet"));
  return Subnet{subnet_id == "subnet-test" ? "10.9.0.0/16" : "10.0.0.0/24", free_addresses_};
}

Result<std::vector<OwnedObject>> MemorySite::owned_objects() {
  const Lock lock(mutex_);
  TRY(before("owned_objects"));
  std::vector<OwnedObject> found;
  const auto add = [&](ResourceKind kind, const std::string& id, const Tags& tags) {
    const auto token = tags.find(token_tag);
    if (token != tags.end() && !is_denied(id)) found.push_back({kind, id, token->second, tags});
  };
  for (const auto& [id, stored] : images_) add(ResourceKind::image, id, stored.image.tags);
  for (const auto& [id, spec] : templates_) add(ResourceKind::machine_template, id, spec.tags);
  for (const auto& [id, stored] : volumes_) add(ResourceKind::volume, id, stored.spec.tags);
  for (const auto& [id, stored] : instances_) {
    if (stored.instance.state != InstanceState::terminated)
      add(ResourceKind::instance, id, stored.instance.tags);
  }
  return found;
}

Result<> MemorySite::remove_object(const OwnedObject& object) {
  if (object.kind == ResourceKind::instance) return terminate(InstanceId(object.id));
  if (object.kind == ResourceKind::volume) {
    const Lock lock(mutex_);
    TRY(before("remove_volume"));
    if (!is_denied(object.id)) volumes_.erase(object.id);
    return after("remove_volume");
  }
  if (object.kind == ResourceKind::machine_template) return remove_template(TemplateId(object.id));
  return remove_image(ImageId(object.id));
}

}  // namespace rekindle
