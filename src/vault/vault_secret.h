// What opens a vault: a passphrase or a key file; and the objects in which they hold the master key.
#pragma once

#include <filesystem>
#include <string>
#include <variant>

#include "base/random.h"
#include "crypto/password_key.h"
#include "vault/format.h"

namespace rekindle {

class VaultSecret {
 public:
  // `cost` is used when a vault is made or a passphrase added; opening uses the cost that is stored.
  static VaultSecret passphrase(std::string passphrase, PasswordCost cost = {});
  static VaultSecret key(const AeadKey& key) { return VaultSecret(key); }
  // A file with 64 hexadecimal digits. `not_found`, `invalid_argument`.
  static Result<VaultSecret> from_key_file(const std::filesystem::path& path);
  // Makes such a file, readable by its owner only. `already_exists`.
  static Result<> make_key_file(const std::filesystem::path& path, Random& random);

  // The key object `object_name` that holds `master`, the key of `epoch`, openable with this secret.
  Result<Bytes> wrap(const AeadKey& master, std::uint32_t epoch, const std::string& object_name,
                     Random& random) const;
  // `unauthenticated` if this secret does not open it; `corrupt` if it is not a key object.
  Result<AeadKey> unwrap(const std::string& object_name, ByteView object) const;
  // What to tell somebody whose secret opens nothing.
  Error refusal() const;

 private:
  struct Passphrase {
    std::string text;
    PasswordCost cost;
  };
  explicit VaultSecret(std::variant<Passphrase, AeadKey> secret) : secret_(std::move(secret)) {}
  Result<AeadKey> wrapping_key(const PasswordSalt& salt, const PasswordCost& cost) const;

  std::variant<Passphrase, AeadKey> secret_;
};

}  // namespace rekindle
