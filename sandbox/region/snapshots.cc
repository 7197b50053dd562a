// Snapshots, the EC2 half: of volumes. (Through the EBS direct APIs: ebs_direct.h.)
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/pending_snapshots.h"

namespace rekindle::sandbox {

namespace {

// More than this many at once of one volume are refused (gp2, gp3, io1, io2).
constexpr std::ptrdiff_t most_pending_of_a_volume = 5;

const char* progress_of(const Snapshot& snapshot) {
  return snapshot.state == "completed" ? "100%" : "0%";
}

// What CreateSnapshots and the other calls tell in the same words.
void write_common(Ec2Call& call, Xml out, const Snapshot& snapshot) {
  out.add("snapshotId", snapshot.id);
  out.add("volumeId", snapshot.volume_id);
  out.add_time("startTime", snapshot.created_ms);
  out.add("progress", progress_of(snapshot));
  out.add("ownerId", call.account());
  out.add("volumeSize", snapshot.size_gib);
  out.add("description", snapshot.description);
  out.add("encrypted", snapshot.encrypted);
  out.add_tags(snapshot.tags);
}

void write_snapshot(Ec2Call& call, Xml out, const Snapshot& snapshot) {
  write_common(call, out, snapshot);
  out.add("status", snapshot.state);
  out.add_if("statusMessage", snapshot.state_message);
  out.add_if("kmsKeyId", snapshot.kms_key_id);
  out.add("storageTier", "standard");
}

Outcome<> check_pending(Cloud& cloud, const std::string& volume_id) {
  const auto& all = cloud.state().all<Snapshot>();
  const auto pending = std::count_if(all.begin(), all.end(), [&](const auto& row) {
    return row.second.volume_id == volume_id && row.second.state == "pending";
  });
  if (pending < most_pending_of_a_volume) return {};
  return refuse("ConcurrentSnapshotLimitExceeded",
                "Maximum allowed in-progress snapshots for a single volume exceeded.");
}

// Of volumes that are one, or all of one instance; in their order.
Outcome<std::vector<Snapshot>> freeze_as_snapshots(Ec2Call& call, const std::vector<Volume>& volumes) {
  if (too_many_pending(call.cloud))
    return refuse("PendingSnapshotLimitExceeded", "Maximum allowed in-progress snapshots exceeded.");
  for (const Volume& volume : volumes) TRY(check_pending(call.cloud, volume.id));
  const Tags tags = TRY(tags_on_create(call.in, "snapshot"));
  const auto layers = TRY(call.cloud.freeze(volumes));
  std::vector<Snapshot> snapshots;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    Snapshot snapshot = call.cloud.make<Snapshot>();
    snapshot.tags = tags;
    snapshot.layer_id = layers[i];
    snapshot.volume_id = volumes[i].id;
    snapshot.description = call.in.text("Description");
    snapshot.size_gib = volumes[i].size_gib;
    snapshot.encrypted = volumes[i].encrypted;
    snapshot.kms_key_id = volumes[i].kms_key_id;
    snapshot.sealed = true;
    call.cloud.begin(snapshot, "pending", "completed", call.cloud.knobs().snapshot_ready);
    call.cloud.state().put(snapshot);
    snapshots.push_back(std::move(snapshot));
  }
  return snapshots;
}

Outcome<> create_snapshot(Ec2Call& call) {
  const std::string volume_id = TRY(call.in.required("VolumeId"));
  const Volume volume = TRY(call.cloud.require<Volume>(volume_id));
  if (volume.state == "creating") return refuse("IncorrectState", "Volume '{}' is 'creating'", volume_id);
  const auto made = TRY(freeze_as_snapshots(call, {volume}));
  write_snapshot(call, call.out, made.front());
  return {};
}

// The volumes of the instance that the request wants.
Outcome<std::vector<Volume>> specified_volumes(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceSpecification.InstanceId"));
  const Instance instance = TRY(call.cloud.require<Instance>(id));
  if (instance.state != "running" && instance.state != "stopped") {
    return refuse("IncorrectInstanceState", "The instance '{}' is '{}'; it must be 'running' or 'stopped'",
                  id, instance.state);
  }
  const bool without_root = TRY(call.in.flag("InstanceSpecification.ExcludeBootVolume", false));
  const auto excluded = call.in.list("InstanceSpecification.ExcludeDataVolumeId");
  std::vector<Volume> volumes = call.cloud.volumes_of(id);
  std::erase_if(volumes, [&](const Volume& volume) {
    const bool root = volume.attachment.device == instance.root_device;
    return (root && without_root) || std::find(excluded.begin(), excluded.end(), volume.id) != excluded.end();
  });
  if (volumes.empty())
    return refuse("InvalidParameterValue", "There is no volume of the instance '{}' to be frozen", id);
  return volumes;
}

// CopyTagsFromSource is not heeded.
Outcome<> create_snapshots(Ec2Call& call) {
  const auto volumes = TRY(specified_volumes(call));
  const auto made = TRY(freeze_as_snapshots(call, volumes));
  Xml set = call.out.child("snapshotSet");
  for (const Snapshot& snapshot : made) {
    Xml item = set.item();
    write_common(call, item, snapshot);
    item.add("state", snapshot.state);
  }
  return {};
}

const FilterTable<Snapshot>& filters() {
  static const FilterTable<Snapshot> table = {
      {"snapshot-id", [](const Snapshot& snapshot) { return std::vector{snapshot.id}; }},
      {"volume-id", [](const Snapshot& snapshot) { return std::vector{snapshot.volume_id}; }},
      {"volume-size",
       [](const Snapshot& snapshot) { return std::vector{std::to_string(snapshot.size_gib)}; }},
      {"status", [](const Snapshot& snapshot) { return std::vector{snapshot.state}; }},
      {"description", [](const Snapshot& snapshot) { return std::vector{snapshot.description}; }},
      {"encrypted", [](const Snapshot& snapshot) { return std::vector{text_of(snapshot.encrypted)}; }},
      {"owner-alias", [](const Snapshot&) { return std::vector<std::string>{"self"}; }},
      {"progress", [](const Snapshot& snapshot) { return std::vector<std::string>{progress_of(snapshot)}; }},
  };
  return table;
}

Outcome<> describe_snapshots(Ec2Call& call) {
  const std::vector<std::string> owners = call.in.list("Owner");
  const bool ours =
      owners.empty() || std::any_of(owners.begin(), owners.end(), [&](const std::string& owner) {
        return owner == "self" || owner == call.account();
      });
  const auto found = TRY(select(call, "SnapshotId", filters()));
  Xml set = call.out.child("snapshotSet");
  if (!ours) return {};
  for (const Snapshot& snapshot : found) write_snapshot(call, set.item(), snapshot);
  return {};
}

Outcome<> delete_snapshot(Ec2Call& call) {
  const std::string id = TRY(call.in.required("SnapshotId"));
  TRY(call.cloud.require<Snapshot>(id));
  for (const auto& [image_id, image] : call.cloud.state().all<Image>()) {
    for (const DeviceMapping& mapping : image.devices) {
      if (mapping.snapshot_id == id) {
        return refuse("InvalidSnapshot.InUse", "The snapshot {} is currently in use by {}", id, image_id);
      }
    }
  }
  call.cloud.state().remove<Snapshot>(id);
  TRY(call.cloud.state().commit());
  TRY(call.cloud.collect_garbage());
  call.out.add("return", true);
  return {};
}

}  // namespace

std::span<const Ec2Action> snapshot_actions() {
  static constexpr Ec2Action actions[] = {
      {"CreateSnapshot", create_snapshot},
      {"CreateSnapshots", create_snapshots},
      {"DescribeSnapshots", describe_snapshots},
      {"DeleteSnapshot", delete_snapshot},
  };
  return actions;
}

}  // namespace rekindle::sandbox
