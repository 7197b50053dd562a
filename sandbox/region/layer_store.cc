#include "sandbox/region/layer_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>

namespace rekindle::sandbox {

namespace fs = std::filesystem;

namespace {
constexpr std::string_view extension = ".qcow2";
// Tables of open layers take 512 KiB of memory for every 32 GiB in use.
constexpr std::size_t most_frozen_layers = 64;
}  // namespace

const Qcow2Layer* LayerChain::owner(std::uint64_t index) const {
  for (const auto& layer : layers_) {
    // A layer may be larger than the one below: beyond its end the lower one says absent.
    if (layer->allocation(index) != Qcow2Layer::Allocation::absent) return layer.get();
  }
  return nullptr;
}

bool LayerChain::present(std::uint64_t index) const {
  const Qcow2Layer* layer = owner(index);
  return layer != nullptr && layer->allocation(index) == Qcow2Layer::Allocation::data;
}

std::vector<std::uint64_t> LayerChain::allocated(std::uint64_t first, std::uint64_t limit,
                                                 std::size_t depth) const {
  if (layers_.empty() || depth == 0) return {};
  constexpr std::uint64_t window = 65536;
  std::vector<std::uint64_t> found;
  const std::uint64_t count = layers_.front()->cluster_count();
  for (std::uint64_t at = first; at < count && found.size() < limit; at += window) {
    std::set<std::uint64_t> merged;
    for (std::size_t i = 0; i < std::min(depth, layers_.size()); ++i) {
      const auto part = layers_[i]->allocated(at, std::min(count, at + window));
      merged.insert(part.begin(), part.end());
    }
    found.insert(found.end(), merged.begin(), merged.end());
  }
  if (found.size() > limit) found.resize(limit);
  return found;
}

Result<> LayerChain::read(std::uint64_t index, ByteSpan block) const {
  const Qcow2Layer* layer = owner(index);
  if (layer != nullptr && layer->allocation(index) == Qcow2Layer::Allocation::data)
    return layer->read(index, block);
  std::fill(block.begin(), block.end(), std::byte{0});
  return {};
}

Result<std::unique_ptr<LayerStore>> LayerStore::open(const fs::path& directory) {
  TRY(make_directories(directory));
  std::unique_ptr<LayerStore> store(new LayerStore(directory));
  std::error_code failure;
  for (const auto& file : fs::directory_iterator(directory, failure)) {
    if (file.path().extension() != extension) continue;
    const auto layer = Qcow2Layer::open(file.path(), File::Mode::read);
    // Half-made by a crash, before anything referred to it: left to collect_garbage.
    const std::string backing = layer.ok() ? (*layer)->backing_name() : "";
    store->parents_[file.path().stem().string()] = fs::path(backing).stem().string();
  }
  if (failure) return errno_error(failure.value(), fmt::format("listing {}", directory.string()));
  return store;
}

Result<std::string> LayerStore::create(std::uint64_t size_bytes, const std::string& parent) {
  const std::lock_guard lock(mutex_);
  std::string id = "layer-" + random_.hex(8);
  TRY(Qcow2Layer::create(path(id), size_bytes, parent.empty() ? "" : path(parent).filename().string()));
  parents_[id] = parent;
  return id;
}

fs::path LayerStore::path(const std::string& id) const {
  return directory_ / (id + std::string(extension));
}

std::vector<std::string> LayerStore::lineage(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (std::string at = id; !at.empty();) {
    ids.push_back(at);
    const auto parent = parents_.find(at);
    at = parent == parents_.end() ? "" : parent->second;
  }
  return ids;
}

Result<std::shared_ptr<const Qcow2Layer>> LayerStore::frozen(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto known = frozen_.find(id); known != frozen_.end()) return known->second;
  std::shared_ptr<const Qcow2Layer> layer = TRY(Qcow2Layer::open(path(id), File::Mode::read));
  if (frozen_.size() >= most_frozen_layers) frozen_.clear();
  frozen_[id] = layer;
  return layer;
}

Result<LayerChain> LayerStore::chain(const std::string& id) {
  std::vector<std::shared_ptr<const Qcow2Layer>> layers;
  for (const std::string& member : lineage(id)) {
    auto layer = TRY(frozen(member));
    layers.push_back(std::move(layer));
  }
  return LayerChain(std::move(layers));
}

Result<std::shared_ptr<Qcow2Layer>> LayerStore::writer(const std::string& id) {
  const std::lock_guard lock(mutex_);
  auto& writer = writers_[id];
  if (!writer) writer = TRY(Qcow2Layer::open(path(id), File::Mode::read_write));
  return writer;
}

Result<> LayerStore::seal(const std::string& id) {
  const auto layer = TRY(writer(id));
  TRY(layer->seal());
  const std::lock_guard lock(mutex_);
  writers_.erase(id);
  return {};
}

Result<> LayerStore::collect_garbage(const std::set<std::string>& roots) {
  std::set<std::string> needed;
  for (const std::string& root : roots) {
    for (std::string& id : lineage(root)) {
      if (!needed.insert(std::move(id)).second) break;
    }
  }
  const std::lock_guard lock(mutex_);
  for (auto layer = parents_.begin(); layer != parents_.end();) {
    if (needed.contains(layer->first)) {
      ++layer;
      continue;
    }
    TRY(remove_file(path(layer->first)));
    frozen_.erase(layer->first);
    writers_.erase(layer->first);
    layer = parents_.erase(layer);
  }
  return {};
}

std::uint64_t LayerStore::disk_usage_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [id, parent] : parents_) {
    struct stat status{};
    if (::stat(path(id).c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace rekindle::sandbox
