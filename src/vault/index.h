// What the vault holds already: all index segments, and the packs that no segment names yet.
#pragma once

#include <atomic>
#include <shared_mutex>
#include <unordered_map>

#include "vault/index_segment.h"
#include "vault/pack_reader.h"

namespace rekindle {

enum class IndexUse {
  writing,  // knows only packs that a new point may refer to: not those marked doomed or damaged
  finding,  // knows every pack that is there
};

// Any number of threads.
class Index {
 public:
  // All outlive this.
  Index(ObjectStore& store, const VaultKeys& keys, PackReader& packs, IndexUse use = IndexUse::writing)
      : store_(store), keys_(keys), packs_(packs), use_(use) {}

  // Learns of segments and packs that appeared or disappeared. A damaged segment or orphan is left out, with
  // a warning in the log: then content is stored a second time, and nothing is lost.
  Result<> refresh();

  // Only places in packs that existed at the last refresh, or were added since.
  Result<std::optional<IndexEntry>> find(const ContentId& id);
  // Every place that is known, in packs that existed at the last refresh.
  Result<std::vector<IndexEntry>> find_all(const ContentId& id);
  // False once find_all() has met a page that cannot be read: then it may not have told every place.
  bool complete() const { return complete_; }
  std::vector<std::shared_ptr<const IndexSegment>> segments() const;
  // A segment that this process has put.
  Result<> add_segment(const std::string& name);
  // Entries of packs that no segment names; the next segment should.
  std::vector<IndexEntry> orphans() const;

 private:
  Result<> adopt(ObjectKind kind, const PackName& pack);

  ObjectStore& store_;
  const VaultKeys& keys_;
  PackReader& packs_;
  const IndexUse use_;
  std::atomic<bool> complete_ = true;
  IndexPageCache pages_{2700};  // of 12 KiB: 32 MiB
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<IndexSegment>> segments_;
  std::unordered_multimap<ContentId, IndexEntry, UniformHash> orphans_;
};

}  // namespace rekindle
