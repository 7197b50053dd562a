// The vault: recovery points of machines, deduplicated, compressed and encrypted, on an object store.
// docs/formats/vault.md says what lies where and why it survives.
#pragma once

#include <memory>
#include <vector>

#include "vault/garbage_collector.h"
#include "vault/key_ring.h"
#include "vault/point_writer.h"
#include "vault/vault_disk.h"
#include "vault/vault_keep.h"
#include "vault/vault_repair.h"
#include "vault/vault_secret.h"

namespace rekindle {

// Any number of threads, processes and machines may use one vault at once; nobody waits for anybody. Errors
// common to all: `corrupt` (names the damaged object), and those of the store (`unavailable`: wrap it in a
// RetryingStore).
class Vault {
 public:
  // `already_exists` if the store holds a vault. `store` outlives the vault.
  static Result<std::unique_ptr<Vault>> create(ObjectStore& store, const VaultSecret& secret);
  // `not_found` if the store holds no vault, `unauthenticated` if the secret is not one of it.
  static Result<std::unique_ptr<Vault>> open(ObjectStore& store, const VaultSecret& secret);

  // Another secret that opens the vault from now on.
  Result<> add_secret(const VaultSecret& secret);
  // The secrets, rotating and removing them: see key_ring.h. Open the vault again after a rotation.
  Result<std::vector<VaultKeyInfo>> list_secrets();
  Result<> remove_secret(const std::string& id);
  Result<> rotate_key(const VaultSecret& secret);

  // `not_found` if there is no such parent; `failed_precondition` if it is of another machine or one of its
  // disks was larger: then begin without a parent. `invalid_argument`: a disk that cannot be. Must not
  // outlive the vault.
  Result<std::unique_ptr<PointWriter>> begin_point(const NewPoint& point, WriterOptions options = {});

  // Of all machines, or of one; by time. A damaged point is an error that names it.
  Result<std::vector<VaultPoint>> list();
  Result<std::vector<VaultPoint>> list(const MachineId& machine);
  // `not_found`.
  Result<VaultPoint> get(const RecoveryPointId& id);

  // The point is not listed any more; what only it needed is freed by collections, not before a grace period
  // has passed. `not_found`.
  Result<> remove_point(const RecoveryPointId& id);
  // Frees what no point needs any more; see garbage_collector.h.
  Result<CollectReport> collect(const CollectOptions& options, std::stop_token stop = {});

  // Must not outlive the vault. `not_found`.
  Result<std::unique_ptr<BlockSource>> open_disk(const RecoveryPointId& point, const DiskId& disk,
                                                 const VaultDiskOptions& options = {});
  // Where the disk differs in `to` from what it was in `from`, in bytes of `to`, by whole chunks; reads no
  // data. A disk that `from` does not have differs where it is not zero.
  Result<Extents> diff(const RecoveryPointId& from, const RecoveryPointId& to, const DiskId& disk);

  // Looks for damage; see vault_check.h.
  Result<CheckReport> check(const CheckOptions& options, std::stop_token stop = {});
  Result<CheckReport> check(CheckLevel level, std::stop_token stop = {});
  // Makes the best of it; see vault_repair.h.
  Result<RepairReport> repair(const RepairOptions& options, std::stop_token stop = {});

  // A proof that whoever has the vault's key said this: hex. The same text, the same proof.
  std::string sign(std::string_view text) const { return to_hex(keys_.sign(as_bytes(text))); }

  // On a store with locks: nobody can remove before `until` what the points need; see vault_keep.h.
  Result<KeepReport> keep_until(Time until, std::stop_token stop = {});

 private:
  Vault(ObjectStore& store, OpenedKeys opened);

  ObjectStore& store_;
  const OpenedKeys opened_;
  const VaultKeys keys_;
  SystemRandom random_;
  PackReader packs_;
  ContentFinder finder_;
  TreeReader trees_;
  Index index_;
};

}  // namespace rekindle
