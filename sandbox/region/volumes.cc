// EBS volumes: create, describe, delete.
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

Outcome<> create_volume(Ec2Call& call) {
  const std::string zone = TRY(call.in.required("AvailabilityZone"));
  const auto zones = call.cloud.zones();
  if (std::find(zones.begin(), zones.end(), zone) == zones.end())
    return refuse("InvalidZone.NotFound", "The zone '{}' does not exist.", zone);
  const auto earlier = TRY(earlier_results(call, "CreateVolume"));
  if (!earlier.empty()) {
    const Volume volume = TRY(made_earlier<Volume>(call, earlier.front()));
    write_volume(call.out, volume);
    return {};
  }
  const std::int64_t size = TRY(call.in.number("Size", 0));
  const std::int64_t rate = TRY(initialization_rate(call.in, call.in.text("SnapshotId")));
  const bool encrypted = TRY(call.in.flag("Encrypted", false));
  Volume volume = TRY(call.cloud.make_volume(
      {size, call.in.text("SnapshotId"), call.in.text("VolumeType"), zone, rate, encrypted}));
  volume.iops = TRY(call.in.number("Iops", 0));
  volume.throughput = TRY(call.in.number("Throughput", 0));
  volume.kms_key_id = call.in.text("KmsKeyId");
  volume.tags = TRY(tags_on_create(call.in, "volume"));
  call.cloud.begin(volume, "creating", "available", call.cloud.knobs().volume_ready);
  call.cloud.state().put(volume);
  remember_results(call, "CreateVolume", {volume.id});
  write_volume(call.out, volume);
  return {};
}

const FilterTable<Volume>& filters() {
  static const FilterTable<Volume> table = {
      {"volume-id", [](const Volume& volume) { return std::vector{volume.id}; }},
      {"status", [](const Volume& volume) { return std::vector{volume.state}; }},
      {"snapshot-id", [](const Volume& volume) { return std::vector{volume.snapshot_id}; }},
      {"size", [](const Volume& volume) { return std::vector{std::to_string(volume.size_gib)}; }},
      {"volume-type", [](const Volume& volume) { return std::vector{volume.volume_type}; }},
      {"encrypted", [](const Volume& volume) { return std::vector{text_of(volume.encrypted)}; }},
      {"availability-zone", [](const Volume& volume) { return std::vector{volume.zone}; }},
      {"attachment.instance-id",
       [](const Volume& volume) { return std::vector{volume.attachment.instance_id}; }},
      {"attachment.device", [](const Volume& volume) { return std::vector{volume.attachment.device}; }},
      {"attachment.status", [](const Volume& volume) { return std::vector{volume.attachment.state}; }},
  };
  return table;
}

Outcome<> describe_volumes(Ec2Call& call) {
  const auto found = TRY(select(call, "VolumeId", filters()));
  Xml set = call.out.child("volumeSet");
  for (const Volume& volume : found) write_volume(set.item(), volume);
  return {};
}

void write_detail(Xml details, const char* name, const char* status) {
  Xml item = details.item();
  item.add("name", name);
  item.add("status", status);
}

void write_status(Ec2Call& call, Xml item, const Volume& volume) {
  const bool filling = !volume.slow_layer_id.empty();
  item.add("volumeId", volume.id);
  item.add("availabilityZone", volume.zone);
  Xml status = item.child("volumeStatus");
  status.add("status", "ok");
  Xml details = status.child("details");
  write_detail(details, "io-enabled", "passed");
  write_detail(details, "io-performance", "not-applicable");
  write_detail(details, "initialization-state", filling ? "initializing" : "completed");
  if (!filling) return;
  const std::int64_t all_ms = volume.initialized_ms - volume.created_ms;
  const std::int64_t left_ms = std::max<std::int64_t>(volume.initialized_ms - call.cloud.now_ms(), 0);
  Xml filled = item.child("initializationStatusDetails");
  filled.add("initializationType", volume.initialization_rate != 0 ? "provisioned-rate" : "default");
  filled.add("progress", all_ms == 0 ? 100 : 100 * (all_ms - left_ms) / all_ms);
  filled.add("estimatedTimeToCompleteInSeconds", (left_ms + 999) / 1000);
}

Outcome<> describe_volume_status(Ec2Call& call) {
  const auto found = TRY(select(call, "VolumeId", filters()));
  Xml set = call.out.child("volumeStatusSet");
  for (const Volume& volume : found) write_status(call, set.item(), volume);
  return {};
}

Outcome<> delete_volume(Ec2Call& call) {
  const std::string id = TRY(call.in.required("VolumeId"));
  const Volume volume = TRY(call.cloud.require<Volume>(id));
  if (volume.attached())
    return refuse("VolumeInUse", "Volume {} is currently attached to {}", id, volume.attachment.instance_id);
  call.cloud.state().remove<Volume>(id);
  TRY(call.cloud.state().commit());
  TRY(call.cloud.collect_garbage());
  call.out.add("return", true);
  return {};
}

}  // namespace

void write_volume(Xml out, const Volume& volume) {
  out.add("volumeId", volume.id);
  out.add("size", volume.size_gib);
  out.add("snapshotId", volume.snapshot_id);
  out.add("availabilityZone", volume.zone);
  out.add("status", volume.state);
  out.add_time("createTime", volume.created_ms);
  out.add("volumeType", volume.volume_type);
  if (volume.iops > 0) out.add("iops", volume.iops);
  if (volume.throughput > 0) out.add("throughput", volume.throughput);
  out.add("encrypted", volume.encrypted);
  out.add_if("kmsKeyId", volume.kms_key_id);
  if (volume.initialization_rate > 0) out.add("volumeInitializationRate", volume.initialization_rate);
  out.add("multiAttachEnabled", false);
  Xml set = out.child("attachmentSet");
  if (volume.attached()) {
    Xml attachment = set.item();
    attachment.add("volumeId", volume.id);
    attachment.add("instanceId", volume.attachment.instance_id);
    attachment.add("device", volume.attachment.device);
    attachment.add("status", volume.attachment.state);
    attachment.add_time("attachTime", volume.attachment.attached_ms);
    attachment.add("deleteOnTermination", volume.attachment.delete_on_termination);
  }
  out.add_tags(volume.tags);
}

std::span<const Ec2Action> volume_actions() {
  static constexpr Ec2Action actions[] = {
      {"CreateVolume", create_volume},
      {"DescribeVolumes", describe_volumes},
      {"DescribeVolumeStatus", describe_volume_status},
      {"DeleteVolume", delete_volume},
  };
  return actions;
}

}  // namespace rekindle::sandbox
