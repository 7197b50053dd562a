// The SHA-256 of every block that was put into an image, in the order of the index: 33 bytes a block where
// blocks lie together (64 MiB for a full TiB).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "crypto/hash.h"
#include "site/recovery_target.h"

namespace rekindle {

// Any number of threads.
class BlockDigests {
 public:
  // A block that is put twice counts once, with its last digest.
  void set(std::uint64_t index, const Sha256& digest);
  std::uint64_t count() const;
  std::vector<BlockDigest> all() const;  // ascending
  // AWS's LINEAR aggregation: SHA-256 of the raw digests, ascending, without gaps.
  Sha256 linear() const;

 private:
  static constexpr std::uint64_t group_blocks = 256;
  struct Group {
    std::bitset<group_blocks> present;
    std::array<Sha256, group_blocks> digests;
  };
  template <typename Visit>
  void for_each(Visit&& visit) const;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::unique_ptr<Group>> groups_;
  std::uint64_t count_ = 0;
};

}  // namespace rekindle
