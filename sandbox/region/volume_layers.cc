// What happens to the bytes behind volumes.
#include <algorithm>

#include "base/log.h"
#include "base/process.h"
#include "sandbox/region/cloud.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;

namespace {
std::uint64_t bytes_of(const Volume& volume) {
  return static_cast<std::uint64_t>(volume.size_gib) * gib;
}
}  // namespace

Outcome<Volume> Cloud::make_volume(const VolumeWish& wish) {
  const std::string& snapshot_id = wish.snapshot_id;
  std::int64_t size_gib = wish.size_gib;
  Snapshot snapshot;
  if (!snapshot_id.empty()) {
    snapshot = TRY(require<Snapshot>(snapshot_id));
    if (snapshot.state != "completed") {
      return refuse("IncorrectState", "Snapshot '{}' is '{}', it must be 'completed'", snapshot_id,
                    snapshot.state);
    }
    if (size_gib == 0) size_gib = snapshot.size_gib;
    if (size_gib < snapshot.size_gib) {
      return refuse("InvalidParameterValue",
                    "Volume of size {}GB is smaller than snapshot '{}', expect size >= {}GB", size_gib,
                    snapshot_id, snapshot.size_gib);
    }
  }
  if (size_gib == 0)
    return refuse("MissingParameter", "The request must contain the parameter size or snapshotId");
  if (size_gib < 0 || size_gib > 16384) {
    return refuse("InvalidParameterValue", "Volume size {} is invalid: it must be from 1 to 16384 GiB",
                  size_gib);
  }
  Volume volume = make<Volume>();
  volume.size_gib = size_gib;
  volume.snapshot_id = snapshot_id;
  volume.volume_type = wish.type.empty() ? "gp2" : wish.type;
  volume.zone = wish.zone;
  volume.encrypted = wish.encrypted || snapshot.encrypted || knobs_.encryption_by_default;
  volume.layer_id = TRY(layer_over(volume, snapshot.layer_id));
  volume.initialization_rate = wish.initialization_rate;
  if (!snapshot_id.empty()) TRY(begin_slowness(volume, snapshot));
  return volume;
}

Result<std::string> Cloud::layer_over(const Volume& volume, std::string parent) {
  if (volume.encrypted) parent = TRY(layers_->create_noise(bytes_of(volume), parent, volume.id));
  return layers_->create(bytes_of(volume), parent);
}

fs::path Cloud::holder_socket(const Volume& volume) const {
  const auto instance = state_->find<Instance>(volume.attachment.instance_id);
  if (!instance) return {};
  return instance->proxy ? options_.directory / "exports" / (volume.id + ".sock")
                         : machine_socket(instance_directory(instance->id));
}

VolumeExport Cloud::export_of(const Volume& volume) const {
  return {holder_socket(volume),
          options_.directory / "attached" / volume.attachment.instance_id /
              fs::path(volume.attachment.device).filename(),
          layers_of(volume)};
}

Outcome<> Cloud::export_volume(const Volume& volume) {
  TRY(ensure_export(export_of(volume), bytes_of(volume)));
  return {};
}

Outcome<> Cloud::end_export(const Volume& volume) {
  TRY(sandbox::end_export(export_of(volume)));
  return {};
}

// The switch must not be forgotten by a crash: the records name both layers before the holder is told.
Outcome<std::vector<std::string>> Cloud::freeze(std::vector<Volume> volumes) {
  const fs::path socket = volumes.empty() ? fs::path() : holder_socket(volumes.front());
  for (const Volume& volume : volumes) {
    if (holder_socket(volume) != socket) {
      return refuse("UnsupportedOperation",
                    "Volumes that are attached to a proxy of the local region cannot be frozen together");
    }
  }
  for (Volume& volume : volumes) {
    volume.next_layer_id = TRY(layers_->create(bytes_of(volume), volume.layer_id));
    state_->put(volume);
  }
  TRY(state_->commit());
  std::vector<std::string> frozen;
  const Result<> switched = tell_holder(socket, volumes);
  for (Volume& volume : volumes) {
    std::string next = std::exchange(volume.next_layer_id, "");
    if (switched.ok()) frozen.push_back(std::exchange(volume.layer_id, std::move(next)));
    state_->put(volume);
  }
  if (switched.ok()) return frozen;
  TRY(state_->commit());
  return switched.error();
}

// Nobody has the volumes of a stopped instance open.
Result<> Cloud::tell_holder(const fs::path& socket, const std::vector<Volume>& volumes) const {
  if (socket.empty() || find_holder(socket) == 0) return {};
  std::vector<LayerSwitch> switches;
  for (const Volume& volume : volumes)
    switches.push_back({volume.layer_id, layers_->path(volume.next_layer_id), volume.next_layer_id});
  return switch_layers(socket, switches);
}

Result<> Cloud::settle_interrupted_freezes() {
  std::vector<Volume> interrupted;
  for (const auto& [id, volume] : state_->all<Volume>()) {
    if (!volume.next_layer_id.empty()) interrupted.push_back(volume);
  }
  for (Volume& volume : interrupted) {
    // Without a holder the new layer is right in any case: if the switch took place it has what was written
    // since, if not it is empty and shows the old one.
    bool switched = true;
    const fs::path socket = holder_socket(volume);
    if (!socket.empty() && find_holder(socket) != 0)
      switched = TRY(holds_layer(socket, volume.next_layer_id));
    if (switched) volume.layer_id = volume.next_layer_id;
    volume.next_layer_id.clear();
    state_->put(volume);
  }
  return state_->commit();
}

std::vector<Volume> Cloud::volumes_of(const std::string& instance_id) const {
  std::vector<Volume> volumes;
  for (const auto& [id, volume] : state_->all<Volume>()) {
    if (volume.attachment.instance_id == instance_id) volumes.push_back(volume);
  }
  std::sort(volumes.begin(), volumes.end(),
            [](const Volume& a, const Volume& b) { return a.attachment.slot < b.attachment.slot; });
  return volumes;
}

Result<> Cloud::collect_garbage() {
  std::set<std::string> roots;
  for (const auto& [id, volume] : state_->all<Volume>())
    roots.insert({volume.layer_id, volume.next_layer_id});
  for (const auto& [id, snapshot] : state_->all<Snapshot>()) roots.insert(snapshot.layer_id);
  TRY(layers_->collect_garbage(roots));
  return collect_fetched();
}

}  // namespace rekindle::sandbox
