// The keys of a vault where it is stored: keys/*, each the newest master key wrapped for one secret; and
// epochs/*, the chain from a master key to the one before it.
#pragma once

#include <string>
#include <vector>

#include "store/object_store.h"
#include "vault/vault_keys.h"
#include "vault/vault_secret.h"

namespace rekindle {

struct VaultKeyInfo {
  std::string id;          // 32 hexadecimal digits
  bool passphrase = true;  // or a key file
  std::uint32_t epoch = 1;
  Time put_at;
};

// The first master key, and the object that says what this vault is. `already_exists`.
Result<MasterKeys> create_keys(ObjectStore& store, const VaultSecret& secret, Random& random);
// `not_found`: there is no vault. `unauthenticated`: the secret is not one of it. `corrupt`.
Result<MasterKeys> open_keys(ObjectStore& store, const VaultSecret& secret);

// Another secret for the newest of `masters`.
Result<> add_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret, Random& random);
Result<std::vector<VaultKeyInfo>> list_keys(ObjectStore& store);
// `not_found`; `failed_precondition` if it is the last that opens all of the vault.
Result<> remove_key(ObjectStore& store, const std::string& id);

// A new master key, for what is written from now on; what is there is not touched. Only `secret` opens the
// vault then: the other wraps are removed, since their holders may be why. A process that has the vault open
// goes on writing under the key it knows. Returns all master keys. Killed half-way: the old secrets still
// open what they opened, and rotating again ends well.
Result<MasterKeys> rotate_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret,
                              Random& random);

}  // namespace rekindle
