// What one writer has stored so far, and the index behind it: answers whether content must be stored.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "vault/index.h"

namespace rekindle {

// Any number of threads. Of several threads with the same new content one claims and stores it; the others
// wait for its place. To wait for nothing while holding a claim is the caller's duty: claim, fulfil, then
// wait.
class RunIndex {
 public:
  // All outlive this.
  RunIndex(ObjectStore& store, const VaultKeys& keys, Random& random, Index& index)
      : store_(store), keys_(keys), random_(random), index_(index) {}

  enum class Claim { known, claimed, pending };
  struct Answer {
    Claim claim = Claim::claimed;
    Place place;  // if known
  };
  Result<Answer> claim(const ContentId& id);
  void fulfil(const ContentId& id, const Place& place);
  // The place that the claimant stored it at.
  Result<Place> wait(const ContentId& id);
  // Wakes all who wait; they and all later calls get this error.
  void fail(const Error& error);

  // The frames of a pack are durable: they may go into a segment, which is put when there are enough of them.
  Result<> pack_durable(ObjectKind kind, const PackName& pack, const std::vector<PackFrame>& frames);
  // Puts what is not yet in a segment, and what the index found orphaned.
  Result<> finish();
  std::uint64_t bytes_put() const;
  // The packs that answers named, those that became durable, and those noted: see write_lease.h.
  void note_reference(const PackName& pack);
  PackNames referred() const;

 private:
  Result<> put_segment(std::vector<IndexEntry> entries);

  ObjectStore& store_;
  const VaultKeys& keys_;
  Random& random_;
  Index& index_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<ContentId, std::optional<Place>, UniformHash> stored_;  // empty: claimed
  std::vector<IndexEntry> durable_;
  PackNames referred_;
  std::optional<Error> failure_;
  std::uint64_t bytes_put_ = 0;
};

}  // namespace rekindle
