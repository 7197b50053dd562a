#include "sandbox/region/layer_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "sandbox/region/noise_layer.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;

namespace {
constexpr std::string_view extension = ".qcow2";
// Tables of open layers take 512 KiB of memory for every 32 GiB in use.
constexpr std::size_t most_frozen_layers = 64;
constexpr std::string_view noise_prefix = "noise-";
}  // namespace

const LayerChain::Member* LayerChain::owner(std::uint64_t index) const {
  for (const Member& member : members_) {
    // A layer may be larger than the one below: beyond its end the lower one says absent.
    if (member.layer->allocation(index) != Qcow2Layer::Allocation::absent) return &member;
  }
  return nullptr;
}

bool LayerChain::present(std::uint64_t index) const {
  const Member* member = owner(index);
  return member != nullptr && !member->noise &&
         member->layer->allocation(index) == Qcow2Layer::Allocation::data;
}

std::vector<std::uint64_t> LayerChain::allocated(std::uint64_t first, std::uint64_t limit,
                                                 std::size_t depth) const {
  if (members_.empty() || depth == 0) return {};
  constexpr std::uint64_t window = 65536;
  std::vector<std::uint64_t> found;
  const std::uint64_t count = members_.front().layer->cluster_count();
  for (std::uint64_t at = first; at < count && found.size() < limit; at += window) {
    std::set<std::uint64_t> merged;
    for (std::size_t i = 0; i < std::min(depth, members_.size()); ++i) {
      if (members_[i].noise) continue;
      const auto part = members_[i].layer->allocated(at, std::min(count, at + window));
      merged.insert(part.begin(), part.end());
    }
    found.insert(found.end(), merged.begin(), merged.end());
  }
  if (found.size() > limit) found.resize(limit);
  return found;
}

Result<> LayerChain::read(std::uint64_t index, ByteSpan block) const {
  const Member* member = owner(index);
  if (member != nullptr && member->layer->allocation(index) == Qcow2Layer::Allocation::data)
    return member->layer->read(index, block);
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
  TRY(Qcow2Layer::create(path(id), size_bytes, backing_name(parent)));
  parents_[id] = parent;
  return id;
}

Result<std::string> LayerStore::create_noise(std::uint64_t size_bytes, const std::string& parent,
                                             const std::string& seed) {
  const LayerChain below = TRY(chain(parent));
  const std::uint64_t blocks = (size_bytes + Qcow2Layer::cluster_bytes - 1) / Qcow2Layer::cluster_bytes;
  std::uint64_t covered = 0;
  while (covered < blocks && below.covered(covered)) ++covered;
  if (covered == blocks) return parent;
  const std::lock_guard lock(mutex_);
  std::string id = std::string(noise_prefix) + random_.hex(8);
  TRY(create_noise_layer(path(id), size_bytes, backing_name(parent), seed,
                         [&](std::uint64_t index) { return !below.covered(index); }));
  parents_[id] = parent;
  return id;
}

std::string LayerStore::backing_name(const std::string& parent) const {
  return parent.empty() ? "" : path(parent).filename().string();
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
  std::vector<LayerChain::Member> members;
  for (const std::string& member : lineage(id)) {
    auto layer = TRY(frozen(member));
    members.push_back({std::move(layer), member.starts_with(noise_prefix)});
  }
  return LayerChain(std::move(members));
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
