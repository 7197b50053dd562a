// Opened frames of data packs, so that a frame is read, opened and decompressed once for all who want it now.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "vault/lru_cache.h"
#include "vault/vault_keys.h"

namespace rekindle {

// A frame that is there, or on its way. Any number of threads.
class CachedFrame {
 public:
  // Once, by who claimed it: the payload, or why there is none.
  void fulfil(Result<Bytes> payload);
  bool fulfilled() const;
  // Waits for fulfil().
  Result<> wait() const;
  // After a successful wait(): whether chunk `slot` is the one with `id`; then copies its bytes from `skip`.
  bool copy_chunk(const VaultKeys& keys, const Ref& ref, std::uint64_t skip, ByteSpan bytes);

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  std::optional<Result<Bytes>> payload_;
  std::vector<ContentId> ids_;  // computed when first asked for
};

class FrameCache {
 public:
  // Capacity: of payloads, which have frame_bytes at most.
  explicit FrameCache(std::size_t bytes) : frames_(bytes) {}

  struct Claim {
    std::shared_ptr<CachedFrame> frame;
    bool ours = false;  // nobody had it: the caller must fulfil() it
  };
  Claim claim(const Place& place);
  // Tells how large it turned out to be.
  void fulfilled(const Place& place, std::size_t bytes) { frames_.weigh(key(place), bytes); }
  // Null if nobody has it.
  std::shared_ptr<CachedFrame> find(const Place& place) { return frames_.find(key(place)); }
  // What failed is asked for anew next time.
  void forget(const Place& place) { frames_.erase(key(place)); }

 private:
  using Key = std::pair<PackName, std::uint32_t>;
  static Key key(const Place& place) { return {place.pack, place.offset}; }
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return UniformHash()(key.first) + key.second; }
  };
  LruCache<Key, CachedFrame, KeyHash> frames_;
};

}  // namespace rekindle
