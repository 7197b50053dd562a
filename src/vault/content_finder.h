// Where else a chunk or page lies, when its place is gone or damaged.
#pragma once

#include <functional>
#include <mutex>

#include "vault/index.h"

namespace rekindle {

// Trees name places, and a collector or a repair may have copied what lay there into other packs; the id
// stays. Any number of threads. Opens the vault's index when it is first needed, with the memory that writing
// needs.
class ContentFinder {
 public:
  // Both outlive this.
  ContentFinder(ObjectStore& store, const VaultKeys& keys)
      : packs_(store, keys), index_(store, keys, packs_, IndexUse::finding) {}

  // Calls `attempt` with other places of `ref` until one succeeds. `failure`, which the place of `ref` itself
  // gave, is returned if there is none; also if it is not `corrupt`.
  using Attempt = std::function<Result<>(const Place& place)>;
  Result<> try_elsewhere(ObjectKind kind, const Ref& ref, const Error& failure, const Attempt& attempt);

 private:
  Result<> attempt_known(ObjectKind kind, const Ref& ref, const Error& failure, const Attempt& attempt);

  PackReader packs_;
  Index index_;
  std::mutex mutex_;
  PackNames asked_;  // packs for which the index was read anew: once each, and once for the first
};

}  // namespace rekindle
