// How a message of SHA-256 begins and ends (FIPS 180-4), for those who feed its blocks to the processor
// themselves (sha256_lanes.h).
#pragma once

#include <algorithm>

#include "crypto/hash.h"

namespace rekindle {

using Sha256Block = std::array<std::byte, sha256_block_bytes>;

// Makes `block` the last of a message of `total_bytes`, of which it holds the last `tail_bytes` already (at
// most 55): section 5.1.1.
inline void add_padding(Sha256Block& block, std::size_t tail_bytes, std::uint64_t total_bytes) {
  std::fill(block.begin() + static_cast<std::ptrdiff_t>(tail_bytes), block.end(), std::byte{0});
  block[tail_bytes] = std::byte{0x80};
  store_be<std::uint64_t>(block.data() + sha256_block_bytes - 8, total_bytes * 8);
}

inline Sha256 bytes_of(const Sha256State& state) {
  Sha256 digest;
  for (std::size_t i = 0; i < state.size(); ++i) store_be<std::uint32_t>(digest.data() + 4 * i, state[i]);
  return digest;
}

}  // namespace rekindle
