// A key from a passphrase, made dear to guess: Argon2id (RFC 9106) by libsodium.
#pragma once

#include <cstdint>
#include <string_view>

#include "crypto/aead.h"

namespace rekindle {

// By default as the second recommended option of RFC 9106, section 4, on one lane: the first needs 2 GiB,
// more than a small proxy has. Every command that opens a vault pays it.
struct PasswordCost {
  std::uint32_t passes = 3;
  std::uint32_t memory_kib = 64 * 1024;

  friend bool operator==(const PasswordCost&, const PasswordCost&) = default;
};

using PasswordSalt = std::array<std::byte, 16>;

// `exhausted` if the memory cannot be had; `invalid_argument` for a cost that Argon2id does not allow, or
// above 4 GiB or 64 passes, which nobody chose in earnest (the cost may come from a stored object).
Result<AeadKey> key_from_password(std::string_view password, const PasswordSalt& salt,
                                  const PasswordCost& cost);

}  // namespace rekindle
