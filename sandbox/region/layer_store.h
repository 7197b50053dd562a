// The layers of a region, as files of one directory, and what a chain of them shows.
// A layer's parent is the backing file that its header names; there is no other record of the lineage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "sandbox/region/qcow2_layer.h"

namespace rekindle::sandbox {

// The layers of a frozen chain, top first. Noise (noise_layer.h) is what a volume shows, and no block. Any
// thread.
class LayerChain {
 public:
  struct Member {
    std::shared_ptr<const Qcow2Layer> layer;
    bool noise = false;
  };
  explicit LayerChain(std::vector<Member> members) : members_(std::move(members)) {}

  // Whether the block holds data; absent and zeroed ones read as zeros, or as noise.
  bool present(std::uint64_t index) const;
  // Whether any layer says what the block reads as, be it zeros or noise.
  bool covered(std::uint64_t index) const { return owner(index) != nullptr; }
  // Indexes in [first, end) that some of the upper `depth` layers allocate, ascending, at most `limit`.
  std::vector<std::uint64_t> allocated(std::uint64_t first, std::uint64_t limit, std::size_t depth) const;
  Result<> read(std::uint64_t index, ByteSpan block) const;
  std::size_t depth() const { return members_.size(); }

 private:
  const Member* owner(std::uint64_t index) const;
  std::vector<Member> members_;
};

// Any thread.
class LayerStore {
 public:
  static Result<std::unique_ptr<LayerStore>> open(const std::filesystem::path& directory);

  // A new empty layer ("layer-" and 16 hexadecimal digits) over `parent` ("": over zeros).
  Result<std::string> create(std::uint64_t size_bytes, const std::string& parent);
  // What the layer of an encrypted volume has as its parent: a layer ("noise-" and 16 digits) over `parent`
  // that shows noise where its chain has nothing; `parent` itself where it has everything.
  Result<std::string> create_noise(std::uint64_t size_bytes, const std::string& parent,
                                   const std::string& seed);
  std::filesystem::path path(const std::string& id) const;
  // `id` first, then its parent, and so on.
  std::vector<std::string> lineage(const std::string& id) const;

  // The chain from `id` down, all of it frozen.
  Result<LayerChain> chain(const std::string& id);
  // For putting blocks; the same object for all callers until close().
  Result<std::shared_ptr<Qcow2Layer>> writer(const std::string& id);
  // Seals a layer that was written with writer(), so that chain() and QEMU may have it.
  Result<> seal(const std::string& id);

  // Deletes the layers that no root needs, neither directly nor below.
  Result<> collect_garbage(const std::set<std::string>& roots);
  // What the files really take on disk.
  std::uint64_t disk_usage_bytes() const;

 private:
  explicit LayerStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<std::shared_ptr<const Qcow2Layer>> frozen(const std::string& id);
  std::string backing_name(const std::string& parent) const;  // "" for ""

  const std::filesystem::path directory_;
  mutable std::mutex mutex_;
  SystemRandom random_;
  std::map<std::string, std::string> parents_;
  std::map<std::string, std::shared_ptr<const Qcow2Layer>> frozen_;
  std::map<std::string, std::shared_ptr<Qcow2Layer>> writers_;
};

}  // namespace rekindle::sandbox
