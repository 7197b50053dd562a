// Volumes whose blocks still come out of their snapshot.
#include "base/log.h"
#include "sandbox/region/cloud.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;

fs::path Cloud::fetched_file(const std::string& volume_id) const {
  return options_.directory / "fetched" / (volume_id + ".qcow2");
}

DiskLayers Cloud::layers_of(const Volume& volume) const {
  DiskLayers disk;
  for (const std::string& id : layers_->lineage(volume.layer_id)) {
    if (id == volume.slow_layer_id) {
      disk.slow = DiskLayers::Slow{disk.layers.size(), volume.id, fetched_file(volume.id),
                                   volume.slow_bytes_per_second};
    }
    disk.layers.push_back({id, layers_->path(id)});
  }
  return disk;
}

// How long it takes is told by what the snapshot has; blocks that it does not have are zeros, or
// noise, without a look.
Result<> Cloud::begin_slowness(Volume& volume, const Snapshot& snapshot) {
  if (knobs_.initialization_mib_per_second == 0) return {};
  const std::int64_t rate =
      volume.initialization_rate != 0 ? volume.initialization_rate : knobs_.initialization_mib_per_second;
  const LayerChain chain = TRY(layers_->chain(snapshot.layer_id));
  const std::uint64_t size_bytes = static_cast<std::uint64_t>(snapshot.size_gib) * gib;
  const auto blocks = static_cast<std::int64_t>(
      chain.allocated(0, size_bytes / Qcow2Layer::cluster_bytes, chain.depth()).size());
  volume.slow_bytes_per_second = rate * static_cast<std::int64_t>(mib);
  volume.initialized_ms = now_ms() + blocks * static_cast<std::int64_t>(Qcow2Layer::cluster_bytes) * 1000 /
                                         volume.slow_bytes_per_second;
  volume.slow_layer_id = snapshot.layer_id;
  TRY(make_directories(options_.directory / "fetched"));
  return Qcow2Layer::create(fetched_file(volume.id), size_bytes, "");
}

// A holder keeps the file of what was fetched until it ends; that is where the bytes are.
void Cloud::end_slow_volumes() {
  std::vector<Volume> filled;
  for (const auto& [id, volume] : state_->all<Volume>()) {
    if (!volume.slow_layer_id.empty() && volume.initialized_ms <= now_ms()) filled.push_back(volume);
  }
  for (Volume& volume : filled) {
    const fs::path socket = holder_socket(volume);
    if (!socket.empty() && find_holder(socket) != 0) {
      if (auto ended = end_slowness(socket, volume.id); !ended.ok())
        log::warn("{} stays slow: {}", volume.id, ended.error().message());
    }
    volume.slow_layer_id.clear();
    state_->put(volume);
  }
}

Result<> Cloud::collect_fetched() const {
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(options_.directory / "fetched", absent)) {
    if (!state_->find<Volume>(entry.path().stem().string())) TRY(remove_file(entry.path()));
  }
  return {};
}

}  // namespace rekindle::sandbox
