#include "vault/key_ring.h"

#include <algorithm>
#include <map>

#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr const char* vault_object = "vault";
constexpr std::uint32_t most_epochs = 10000;

std::string epoch_object(std::uint32_t epoch) {
  return fmt::format("epochs/{:08}", epoch);
}

Result<> put_key(ObjectStore& store, const VaultSecret& secret, const AeadKey& master, std::uint32_t epoch,
                 Random& random) {
  const std::string name = "keys/" + random.hex(16);
  const Bytes object = TRY(secret.wrap(master, epoch, name, random));
  return store.put(name, object);
}

struct StoredKey {
  ObjectInfo info;
  Bytes object;
  std::uint32_t epoch = 0;
};

// The newest epoch first: only its key opens all.
Result<std::vector<StoredKey>> stored_keys(ObjectStore& store) {
  const auto listed = TRY(store.list("keys/"));
  std::vector<StoredKey> keys;
  for (const ObjectInfo& info : listed) {
    auto object = store.get(info.name);
    if (!object.ok() && object.error().code() == ErrorCode::not_found) continue;  // removed just now
    if (!object.ok()) return object.error();
    StoredKey key{info, *std::move(object), 0};
    if (check_header(ObjectKind::key, info.name, key.object).ok()) {
      ObjectHeader header{};
      std::copy_n(key.object.begin(), header_bytes, header.begin());
      key.epoch = epoch_of(header);
    }
    keys.push_back(std::move(key));
  }
  std::ranges::stable_sort(keys, std::greater(), &StoredKey::epoch);
  return keys;
}

// Its master key, and from it back to the first.
Result<MasterKeys> unwrap_all(ObjectStore& store, const VaultSecret& secret, const StoredKey& key) {
  const AeadKey newest = TRY(secret.unwrap(key.info.name, key.object));
  if (key.epoch == 0 || key.epoch > most_epochs) return damaged(key.info.name, "its key epoch cannot be");
  MasterKeys masters(key.epoch);
  masters.back() = newest;
  for (std::uint32_t epoch = key.epoch; epoch > 1; --epoch) {
    const std::string name = epoch_object(epoch);
    const auto object = store.get(name);
    if (!object.ok() && object.error().code() == ErrorCode::not_found) {
      return damaged(name, "it is missing, and with it the older keys");
    }
    if (!object.ok()) return object.error();
    const MasterKeys known(masters.begin(), masters.begin() + epoch);
    const Bytes before = TRY(open_object(VaultKeys(known), ObjectKind::epoch, name, *object));
    if (before.size() != newest.size()) return damaged(name, "it holds no key");
    std::ranges::copy(before, masters[epoch - 2].begin());
  }
  return masters;
}

// Whether the keys are this vault's: those of a creation that was interrupted may lie about.
Result<> check_vault_object(const MasterKeys& masters, ByteView object) {
  const Bytes body = TRY(open_object(VaultKeys(masters), ObjectKind::vault, vault_object, object));
  WireReader in(body);
  in.bytes(16);
  const auto size = in.number<std::uint32_t>();
  if (in.complete() && size == chunk_bytes) return {};
  return error(ErrorCode::failed_precondition,
               "this vault has chunks of {} bytes, this program knows {}: use a newer rekindle", size,
               chunk_bytes);
}

}  // namespace

Result<MasterKeys> create_keys(ObjectStore& store, const VaultSecret& secret, Random& random) {
  const auto refuse = [] {
    return error(ErrorCode::already_exists, "there is a vault already: open it, or choose another place");
  };
  const auto existing = TRY(store.list(vault_object));
  if (!existing.empty()) return refuse();
  AeadKey master{};
  random.fill(master);
  TRY(put_key(store, secret, master, 1, random), "making the vault's key");
  WireWriter body;
  body.bytes(random.bytes(16));
  body.number(static_cast<std::uint32_t>(chunk_bytes));
  const Bytes object = sealed_object(VaultKeys(master), ObjectKind::vault, vault_object, body.take(), random);
  Result<> put = store.put(vault_object, object);
  if (!put.ok() && put.error().code() == ErrorCode::already_exists) return refuse();
  if (!put.ok()) return std::move(put).error().context("making the vault");
  return MasterKeys{master};
}

Result<MasterKeys> open_keys(ObjectStore& store, const VaultSecret& secret) {
  auto object = store.get(vault_object);
  if (!object.ok() && object.error().code() == ErrorCode::not_found) {
    return error(ErrorCode::not_found, "there is no vault here: check the place, or create one ({})",
                 object.error().message());
  }
  if (!object.ok()) return std::move(object).error().context("opening the vault");
  Error last = error(ErrorCode::corrupt,
                     "the vault has lost its keys (keys/*): restore them from a copy of the vault");
  const auto keys = TRY(stored_keys(store), "opening the vault");
  for (const StoredKey& key : keys) {
    auto masters = unwrap_all(store, secret, key);
    Result<> right = masters.ok() ? check_vault_object(*masters, *object) : Result<>(masters.error());
    if (right.ok()) return masters;
    // That one key object is damaged or another's matters less than that ours was tried and refused.
    if (last.code() == ErrorCode::corrupt || right.error().code() != ErrorCode::unauthenticated) {
      last = std::move(right).error();
    }
  }
  return last;
}

Result<> add_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret, Random& random) {
  return put_key(store, secret, masters.back(), static_cast<std::uint32_t>(masters.size()), random);
}

Result<std::vector<VaultKeyInfo>> list_keys(ObjectStore& store) {
  const auto keys = TRY(stored_keys(store), "listing the vault's keys");
  std::vector<VaultKeyInfo> infos;
  for (const StoredKey& key : keys) {
    const bool passphrase = key.object.size() > header_bytes && key.object[header_bytes] == std::byte{1};
    infos.push_back(
        {key.info.name.substr(key.info.name.find('/') + 1), passphrase, key.epoch, key.info.put_at});
  }
  return infos;
}

Result<> remove_key(ObjectStore& store, const std::string& id) {
  const auto keys = TRY(list_keys(store));
  const auto found = std::ranges::find(keys, id, &VaultKeyInfo::id);
  if (found == keys.end()) {
    return error(ErrorCode::not_found, "the vault has no key '{}'; list them with 'rekindle vault key list'",
                 id);
  }
  const auto same = std::ranges::count(keys, keys.front().epoch, &VaultKeyInfo::epoch);
  if (found->epoch == keys.front().epoch && same == 1) {
    return error(ErrorCode::failed_precondition,
                 "this is the last key that opens all of the vault: add another one first");
  }
  return store.remove("keys/" + id);
}

Result<MasterKeys> rotate_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret,
                              Random& random) {
  const auto before = TRY(stored_keys(store), "rotating the vault's key");
  MasterKeys rotated = masters;
  AeadKey newest{};
  random.fill(newest);
  rotated.push_back(newest);
  const auto epoch = static_cast<std::uint32_t>(rotated.size());
  // The wrap first: a chain to a key that nobody holds would stand in the way of every later rotation.
  TRY(put_key(store, secret, newest, epoch, random), "rotating the vault's key");
  const std::string name = epoch_object(epoch);
  const Bytes chain = sealed_object(VaultKeys(rotated), ObjectKind::epoch, name, masters.back(), random);
  Result<> put = store.put(name, chain);
  if (!put.ok() && put.error().code() == ErrorCode::already_exists) {
    return error(ErrorCode::failed_precondition,
                 "somebody else rotated the vault's key meanwhile: open the vault again, then see "
                 "'rekindle vault key list'");
  }
  if (!put.ok()) return std::move(put).error().context("rotating the vault's key");
  for (const StoredKey& key : before) TRY(store.remove(key.info.name), "removing an old key");
  return rotated;
}

}  // namespace rekindle
