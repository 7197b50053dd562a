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

struct OpenedKeys {
  MasterKeys masters;
  std::string key_id;  // of the wrap that the secret opened: surely a good one
};

// The first master key, and the object that says what this vault is. `already_exists`.
Result<OpenedKeys> create_keys(ObjectStore& store, const VaultSecret& secret, Random& random);
// `not_found`: there is no vault. `unauthenticated`: the secret is not one of it. `failed_precondition`: it
// was one, and the key was rotated since. `corrupt`.
Result<OpenedKeys> open_keys(ObjectStore& store, const VaultSecret& secret);
// `failed_precondition` if the key was rotated since `masters` were opened: what others wrote since then
// would look damaged.
Result<> confirm_newest(ObjectStore& store, const MasterKeys& masters);

// Another secret for the newest of `masters`.
Result<> add_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret, Random& random);
Result<std::vector<VaultKeyInfo>> list_keys(ObjectStore& store);
// `not_found`; `failed_precondition` if it is `in_use`, the one that the caller opened the vault with: so one
// that is known to open it always stays.
Result<> remove_key(ObjectStore& store, const std::string& id, const std::string& in_use);

// A new master key, for what is written from now on; what is there is not touched. Only `secret` opens the
// vault then: the other wraps are removed, since their holders may be why (where a retention lock keeps one,
// it opens nothing any more all the same, once Rekindle sees the new epoch). A process that has the vault
// open goes on writing under the key it knows. Returns all master keys. Killed half-way: the old secrets
// still open what they opened, and rotating again ends well.
Result<MasterKeys> rotate_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret,
                              Random& random);

}  // namespace rekindle
