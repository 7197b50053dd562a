// A sorted, immutable piece of the index: content id -> place. Only the fences and the Bloom filter are held
// in memory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "store/object_store.h"
#include "vault/bloom_filter.h"
#include "vault/lru_cache.h"
#include "vault/pack_list.h"
#include "vault/vault_keys.h"

namespace rekindle {

struct IndexEntry {
  ContentId id{};
  ObjectKind kind = ObjectKind::data;
  Place place;
};

using IndexPage = Bytes;  // opened: up to index_page_entries entries of index_entry_bytes
using IndexPageCache = LruCache<std::string, const IndexPage, std::hash<std::string>>;
constexpr std::size_t index_page_entries = 256;
constexpr std::size_t index_entry_bytes = 48;

// Any number of threads.
class IndexSegment {
 public:
  // Reads the footer. `corrupt`. `store`, `keys` and `cache` outlive this.
  static Result<std::shared_ptr<IndexSegment>> open(ObjectStore& store, const VaultKeys& keys,
                                                    IndexPageCache& cache, const std::string& name);

  // In a pack that is alive.
  Result<std::optional<IndexEntry>> find(const ContentId& id) const;
  // See BloomFilter.
  void prefetch(const ContentId& id) const { filter_.prefetch(id); }
  // All of them.
  Result<std::vector<IndexEntry>> find_all(const ContentId& id) const;
  // Every entry, page by page: for checking.
  Result<std::vector<IndexEntry>> page(std::size_t number) const;
  std::size_t page_count() const { return fences_.size(); }
  struct Pack {
    PackName name{};
    ObjectKind kind = ObjectKind::data;
    bool alive = true;  // false: its entries are not found: the pack is gone, or must not be used
  };
  const std::vector<Pack>& packs() const { return packs_; }
  // Marks the packs that are not among these.
  void keep_alive_only(const PackNames& present);
  const std::string& name() const { return cipher_.name(); }
  std::uint64_t entry_count() const { return entry_count_; }
  // Held as long as the segment is open.
  std::size_t memory_bytes() const {
    return filter_.bits().size() + fences_.size() * sizeof(fences_[0]) + packs_.size() * sizeof(packs_[0]);
  }

 private:
  IndexSegment(ObjectStore& store, IndexPageCache& cache, ObjectCipher cipher)
      : store_(store), cache_(cache), cipher_(std::move(cipher)) {}
  Result<> parse_footer(ByteView footer, std::uint64_t footer_offset);
  using Visit = std::function<bool(const IndexEntry& entry)>;  // false: enough
  Result<> visit(const ContentId& id, const Visit& visit) const;
  Result<std::shared_ptr<const IndexPage>> load_page(std::size_t number) const;
  Result<IndexEntry> parse_entry(ByteView bytes) const;

  ObjectStore& store_;
  IndexPageCache& cache_;
  ObjectCipher cipher_;
  std::uint64_t entry_count_ = 0;
  std::vector<Pack> packs_;
  std::vector<std::uint64_t> fences_;  // the first 8 bytes, big-endian, of each page's first id
  BloomFilter filter_;
};

}  // namespace rekindle
