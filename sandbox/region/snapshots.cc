// Snapshots, the EC2 half: of volumes. (Through the EBS direct APIs: ebs_direct.h.)
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

// More than this many at once of one volume are refused (gp2, gp3, io1, io2).
constexpr std::ptrdiff_t most_pending_of_a_volume = 5;

void write_snapshot(Ec2Call& call, Xml out, const Snapshot& snapshot) {
  out.add("snapshotId", snapshot.id);
  out.add("volumeId", snapshot.volume_id);
  out.add("status", snapshot.state);
  out.add_if("statusMessage", snapshot.state_message);
  out.add_time("startTime", snapshot.created_ms);
  out.add("progress", snapshot.state == "completed" ? "100%" : "0%");
  out.add("ownerId", call.account());
  out.add("volumeSize", snapshot.size_gib);
  out.add("description", snapshot.description);
  out.add("encrypted", snapshot.encrypted);
  out.add_if("kmsKeyId", snapshot.kms_key_id);
  out.add("storageTier", "standard");
  out.add_tags(snapshot.tags);
}

Outcome<> create_snapshot(Ec2Call& call) {
  const std::string volume_id = TRY(call.in.required("VolumeId"));
  const Volume volume = TRY(call.cloud.require<Volume>(volume_id));
  if (volume.state == "creating") return refuse("IncorrectState", "Volume '{}' is 'creating'", volume_id);
  const auto& all = call.cloud.state().all<Snapshot>();
  const auto pending = std::count_if(all.begin(), all.end(), [&](const auto& row) {
    return row.second.volume_id == volume_id && row.second.state == "pending";
  });
  if (pending >= most_pending_of_a_volume) {
    return refuse("ConcurrentSnapshotLimitExceeded",
                  "Maximum allowed in-progress snapshots for a single volume exceeded.");
  }
  Snapshot snapshot = call.cloud.make<Snapshot>();
  snapshot.tags = TRY(tags_on_create(call.in, "snapshot"));
  snapshot.layer_id = TRY(call.cloud.freeze(volume_id));
  snapshot.volume_id = volume_id;
  snapshot.description = call.in.text("Description");
  snapshot.size_gib = volume.size_gib;
  snapshot.encrypted = volume.encrypted;
  snapshot.kms_key_id = volume.kms_key_id;
  snapshot.sealed = true;
  call.cloud.begin(snapshot, "pending", "completed", call.cloud.options().snapshot_ready);
  call.cloud.state().put(snapshot);
  write_snapshot(call, call.out, snapshot);
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
      {"progress",
       [](const Snapshot& snapshot) {
         return std::vector<std::string>{snapshot.state == "completed" ? "100%" : "0%"};
       }},
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
      {"DescribeSnapshots", describe_snapshots},
      {"DeleteSnapshot", delete_snapshot},
  };
  return actions;
}

}  // namespace rekindle::sandbox
