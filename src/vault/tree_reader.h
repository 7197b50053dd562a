// Walks the trees of recovery points.
#pragma once

#include <functional>
#include <memory>

#include "disk/extent.h"
#include "vault/content_finder.h"
#include "vault/lru_cache.h"
#include "vault/pack_reader.h"
#include "vault/tree_page.h"

namespace rekindle {

// Any number of threads. Errors: `corrupt`, those of the store.
class TreeReader {
 public:
  // All outlive this. `finder`: null if pages must lie where they are said to.
  TreeReader(PackReader& packs, const VaultKeys& keys, ContentFinder* finder = nullptr)
      : packs_(packs), keys_(keys), finder_(finder) {}

  using PagePointer = std::shared_ptr<const TreePage>;

  // The page `ref` of `level`, compared with its id; null for a hole.
  Result<PagePointer> load(const Ref& ref, int level);
  // The child of level `level` (0: a chunk) that contains chunk `chunk`, of the tree under `root`.
  Result<Ref> child_at(const Ref& root, int level, std::uint64_t chunk);
  // The page of level 0 with chunk `chunk`; null for a hole.
  Result<PagePointer> leaf_at(const Ref& root, std::uint64_t chunk);

  // The parts of `range` (bytes) that are not holes, by whole chunks.
  Result<Extents> data_extents(const Ref& root, Extent range);
  // Where two trees differ, by whole chunks, without reading any chunk.
  Result<Extents> differences(const Ref& a, const Ref& b);

 private:
  using Visit = std::function<Result<>(std::uint64_t first_chunk, std::uint64_t chunks)>;
  Result<PagePointer> load_at(const Ref& ref, int level);
  Result<> visit_data(const Ref& ref, int level, std::uint64_t first, std::uint64_t begin, std::uint64_t end,
                      const Visit& visit);
  Result<> visit_differences(const Ref& a, const Ref& b, int level, std::uint64_t first, const Visit& visit);

  PackReader& packs_;
  const VaultKeys& keys_;
  ContentFinder* const finder_;
  // By place, not by id: pages with the same id may name different places of the same chunks, some of them
  // lost.
  struct PlaceHash {
    std::size_t operator()(const Place& place) const { return UniformHash()(place.pack) + place.offset; }
  };
  struct Loaded {
    ContentId id;
    TreePage page;
  };
  LruCache<Place, const Loaded, PlaceHash> pages_{4096};  // of 10 KiB: 40 MiB
};

}  // namespace rekindle
