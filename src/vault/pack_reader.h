// Reads frames and directories of packs.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "store/object_store.h"
#include "vault/lru_cache.h"
#include "vault/pack_writer.h"
#include "vault/vault_keys.h"

namespace rekindle {

// Any number of threads. Common errors: `corrupt` (names the pack), those of the store.
class PackReader {
 public:
  // Both outlive this.
  PackReader(ObjectStore& store, const VaultKeys& keys) : store_(store), keys_(keys) {}

  // The payload of the frame at `place`, authenticated; the caller compares it with its id.
  Result<Bytes> frame(ObjectKind kind, const Place& place);
  // The frames at `places`, all of `pack`, ascending and not overlapping, with one read of the store: for who
  // needs neighbours. `take` is given each, opened but encoded as decode_frame() expects it, for as long as
  // its call lasts; or why that one cannot be opened. An error of the read is returned, and `take` not
  // called.
  using TakeFrame = std::function<void(std::size_t index, const Result<ByteView>& encoded)>;
  Result<> frames(const PackName& pack, std::span<const Place> places, const TakeFrame& take);
  Result<std::vector<PackFrame>> directory(ObjectKind kind, const PackName& pack);

 private:
  using CipherPointer = std::shared_ptr<const ObjectCipher>;
  Result<CipherPointer> cipher(ObjectKind kind, const PackName& pack);

  ObjectStore& store_;
  const VaultKeys& keys_;
  LruCache<PackName, const ObjectCipher, UniformHash> ciphers_{16384};  // of packs, about 250 bytes each
};

// `not_found` becomes `corrupt`: what a point or an index names must be there.
Error missing_is_damaged(Error error, std::string_view object_name);

}  // namespace rekindle
