// AES-256-GCM by OpenSSL: secret, and refused if a single bit was changed.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/result.h"

namespace rekindle {

using AeadKey = std::array<std::byte, 32>;
using AeadNonce = std::array<std::byte, 12>;

constexpr std::size_t aead_tag_bytes = 16;

// Writes ciphertext and tag to `sealed` (plain.size() + aead_tag_bytes long). `sealed` may begin where
// `plain` does (in place), but not overlap it otherwise. A nonce must never be used twice with one key. Any
// number of threads.
void aead_seal(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView plain,
               ByteSpan sealed);

// The reverse; `plain` is sealed.size() - aead_tag_bytes long and may begin where `sealed` does. `corrupt` if
// key, nonce, associated data or any bit of `sealed` is not what was sealed; `plain` then holds nothing of
// use.
Result<> aead_open(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView sealed,
                   ByteSpan plain);

}  // namespace rekindle
