// SHA-256 of several messages at once. One message leaves the processor's SHA unit idle most of the time,
// since each round waits for the one before; four that take turns run 1.8 times as fast.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace rekindle {

using Sha256State = std::array<std::uint32_t, 8>;  // FIPS 180-4: H0 to H7
constexpr std::size_t sha256_block_bytes = 64;
constexpr std::size_t sha256_most_lanes = 4;
constexpr Sha256State sha256_start{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Whether this processor has what compress() needs (Intel's SHA extensions).
bool sha256_lanes_work();

// Digests `block_count` blocks of each message, from its state on. As many states as messages, one to four.
void sha256_compress(std::span<Sha256State> states, std::span<const std::byte* const> messages,
                     std::size_t block_count);

}  // namespace rekindle
