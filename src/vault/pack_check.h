// Compares packs with their directories, and places with packs.
#pragma once

#include <map>
#include <mutex>

#include "vault/pack_list.h"
#include "vault/pack_reader.h"

namespace rekindle {

// Any number of threads. Remembers what it found damaged, and the directories used last (64 MiB:
// those of 512 full packs, or of all the small ones that a thousand increments make).
class PackCheck {
 public:
  // Both outlive this.
  PackCheck(ObjectStore& store, const VaultKeys& keys) : store_(store), keys_(keys), packs_(store, keys) {}

  struct Sample {
    unsigned percent = 100;  // of the frames
    std::uint64_t seed = 0;
  };
  // Reads the directory and so many of its frames. Damage is remembered; other errors are returned.
  Result<> read(const ListedPack& pack, const Sample& sample);

  // `corrupt` if the pack is gone or its directory says something else.
  Result<> lists(ObjectKind kind, const ContentId& id, const Place& place);
  // That, or if what lies there was found damaged.
  Result<> holds(ObjectKind kind, const ContentId& id, const Place& place);

  std::uint64_t bytes_read() const;
  // What read() found: sentences, and the objects they are about.
  std::multimap<std::string, std::string> damage() const;

 private:
  using Directory = std::map<std::uint32_t, PackFrame>;  // by offset
  Result<std::shared_ptr<const Directory>> directory(ObjectKind kind, const PackName& pack);
  Result<> read_frame(ObjectKind kind, const PackName& pack, const PackFrame& frame);
  bool is_right(ObjectKind kind, const PackFrame& frame, ByteView payload) const;

  ObjectStore& store_;
  const VaultKeys& keys_;
  PackReader packs_;
  LruCache<PackName, const Directory, UniformHash> directories_{std::size_t{1}
                                                                << 19};  // ids, 130 bytes each at most
  mutable std::mutex mutex_;
  std::map<PackName, std::string> unreadable_;                         // packs, with the sentence
  std::map<std::pair<PackName, std::uint32_t>, std::string> damaged_;  // frames
  std::multimap<std::string, std::string> damage_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace rekindle
