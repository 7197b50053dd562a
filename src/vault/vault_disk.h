// A disk of a recovery point, read from the vault.
#pragma once

#include "disk/block_device.h"
#include "vault/point.h"
#include "vault/tree_reader.h"

namespace rekindle {

// Any number of threads. Every byte is authenticated and compared with its id: the right bytes, or `corrupt`
// with the name of the damaged object. Memory: 16 MiB of frames, and the vault's page cache.
class VaultDisk final : public BlockSource {
 public:
  // All outlive this.
  VaultDisk(PackReader& packs, TreeReader& trees, const VaultKeys& keys, ContentFinder& finder,
            PointDisk disk)
      : packs_(packs), trees_(trees), keys_(keys), finder_(finder), disk_(std::move(disk)) {}

  std::uint64_t size() const override { return disk_.size_bytes; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  // By whole chunks of 64 KiB, from the tree, without reading data.
  Result<Extents> data_extents(Extent range) override;

 private:
  // An opened frame; each chunk's id is computed when it is first read.
  struct Frame {
    explicit Frame(Bytes bytes) : content(std::move(bytes)), ids(content.size() / chunk_bytes) {}
    const Bytes content;
    std::mutex mutex;
    std::vector<ContentId> ids;
  };
  struct PlaceHash {
    std::size_t operator()(const std::pair<PackName, std::uint32_t>& place) const {
      return UniformHash()(place.first) + place.second;
    }
  };
  Result<std::shared_ptr<Frame>> load(const Place& place);
  Result<> read_chunk(const Ref& ref, std::uint64_t skip, ByteSpan bytes);
  Result<> read_chunk_at(const Ref& ref, std::uint64_t skip, ByteSpan bytes);

  PackReader& packs_;
  TreeReader& trees_;
  const VaultKeys& keys_;
  ContentFinder& finder_;
  const PointDisk disk_;
  LruCache<std::pair<PackName, std::uint32_t>, Frame, PlaceHash> frames_{64};
};

}  // namespace rekindle
