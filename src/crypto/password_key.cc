#include "crypto/password_key.h"

#include <sodium.h>

namespace rekindle {

Result<AeadKey> key_from_password(std::string_view password, const PasswordSalt& salt,
                                  const PasswordCost& cost) {
  static_assert(crypto_pwhash_SALTBYTES == std::tuple_size_v<PasswordSalt>);
  if (cost.passes < crypto_pwhash_OPSLIMIT_MIN || cost.passes > 64 || cost.memory_kib < 8 ||
      cost.memory_kib > 4 * 1024 * 1024) {
    return error(ErrorCode::invalid_argument, "a passphrase cost of {} passes over {} KiB is out of bounds",
                 cost.passes, cost.memory_kib);
  }
  CHECK(sodium_init() >= 0);
  AeadKey key{};
  if (crypto_pwhash(reinterpret_cast<unsigned char*>(key.data()), key.size(), password.data(),
                    password.size(), reinterpret_cast<const unsigned char*>(salt.data()), cost.passes,
                    static_cast<std::size_t>(cost.memory_kib) * kib, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return error(ErrorCode::exhausted,
                 "deriving the key from the passphrase needs {} of memory, which is not free here",
                 human_bytes(cost.memory_kib * kib));
  }
  return key;
}

}  // namespace rekindle
