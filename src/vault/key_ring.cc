#include "vault/key_ring.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/log.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr const char* vault_object = "vault";
const std::string keys_folder = "keys/";
const std::string epochs_folder = "epochs/";
constexpr std::uint32_t most_epochs = 10000;

std::string epoch_object(std::uint32_t epoch) {
  return fmt::format("{}{:08}", epochs_folder, epoch);
}

// Returns its id.
Result<std::string> put_key(ObjectStore& store, const VaultSecret& secret, const AeadKey& master,
                            std::uint32_t epoch, Random& random) {
  const std::string id = random.hex(16);
  const std::string name = keys_folder + id;
  const Bytes object = TRY(secret.wrap(master, epoch, name, random));
  TRY(store.put(name, object));
  return id;
}

// 1 if the key was never rotated.
Result<std::uint32_t> newest_epoch(ObjectStore& store) {
  const auto epochs = TRY(store.list(epochs_folder));
  std::uint32_t newest = 1;
  for (const ObjectInfo& object : epochs) {
    std::uint32_t epoch = 0;
    const char* const digits = object.name.data() + epochs_folder.size();
    std::from_chars(digits, object.name.data() + object.name.size(), epoch);
    newest = std::max(newest, epoch);
  }
  return newest;
}

Error rotated_since(std::uint32_t newest, std::size_t known) {
  return error(
      ErrorCode::failed_precondition,
      "the vault's key was rotated (to epoch {}, this is the key of epoch {}): say 'rekindle vault key use' "
      "with a passphrase of today",
      newest, known);
}

struct StoredKey {
  ObjectInfo info;
  Bytes object;
  std::uint32_t epoch = 0;
};

// The newest epoch first: only its key opens all.
Result<std::vector<StoredKey>> stored_keys(ObjectStore& store) {
  const auto listed = TRY(store.list(keys_folder));
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
  std::ranges::sort(keys, [](const StoredKey& a, const StoredKey& b) {
    return std::tie(b.epoch, a.info.name) < std::tie(a.epoch, b.info.name);
  });
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

// Those of earlier epochs: of no use any more, so what cannot be removed is only said.
void remove_old_keys(ObjectStore& store, const std::vector<StoredKey>& keys) {
  for (const StoredKey& key : keys) {
    const Result<> removed = store.remove(key.info.name);
    if (!removed.ok()) log::warn("an old key of the vault stays: {}", removed.error().message());
  }
}

}  // namespace

Result<OpenedKeys> create_keys(ObjectStore& store, const VaultSecret& secret, Random& random) {
  const auto refuse = [] {
    return error(ErrorCode::already_exists, "there is a vault already: open it, or choose another place");
  };
  const auto existing = TRY(store.list(vault_object));
  if (!existing.empty()) return refuse();
  AeadKey master{};
  random.fill(master);
  const std::string id = TRY(put_key(store, secret, master, 1, random), "making the vault's key");
  WireWriter body;
  body.bytes(random.bytes(16));
  body.number(static_cast<std::uint32_t>(chunk_bytes));
  const Bytes object = sealed_object(VaultKeys(master), ObjectKind::vault, vault_object, body.take(), random);
  Result<> put = store.put(vault_object, object);
  if (!put.ok() && put.error().code() == ErrorCode::already_exists) return refuse();
  if (!put.ok()) return std::move(put).error().context("making the vault");
  return OpenedKeys{{master}, id};
}

Result<OpenedKeys> open_keys(ObjectStore& store, const VaultSecret& secret) {
  auto object = store.get(vault_object);
  if (!object.ok() && object.error().code() == ErrorCode::not_found) {
    return error(ErrorCode::not_found, "there is no vault here: check the place, or create one ({})",
                 object.error().message());
  }
  if (!object.ok()) return std::move(object).error().context("opening the vault");
  Error last = error(ErrorCode::corrupt,
                     "the vault has lost its keys (keys/*): restore them from a copy of the vault");
  const auto keys = TRY(stored_keys(store), "opening the vault");
  const std::uint32_t newest = TRY(newest_epoch(store), "opening the vault");
  for (const StoredKey& key : keys) {
    auto masters = unwrap_all(store, secret, key);
    Result<> right = masters.ok() ? check_vault_object(*masters, *object) : Result<>(masters.error());
    if (right.ok() && key.epoch < newest) right = rotated_since(newest, key.epoch);
    if (right.ok()) return OpenedKeys{*std::move(masters), key.info.name.substr(keys_folder.size())};
    // That one key object is damaged or another's matters less than that ours was tried and refused.
    if (last.code() == ErrorCode::corrupt || right.error().code() != ErrorCode::unauthenticated) {
      last = std::move(right).error();
    }
  }
  return last;
}

Result<> confirm_newest(ObjectStore& store, const MasterKeys& masters) {
  const std::uint32_t newest = TRY(newest_epoch(store), "looking at the vault's keys");
  if (newest <= masters.size()) return {};
  return rotated_since(newest, masters.size());
}

Result<> add_key(ObjectStore& store, const MasterKeys& masters, const VaultSecret& secret, Random& random) {
  TRY(confirm_newest(store, masters));
  TRY(put_key(store, secret, masters.back(), static_cast<std::uint32_t>(masters.size()), random));
  return {};
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

Result<> remove_key(ObjectStore& store, const std::string& id, const std::string& in_use) {
  const auto keys = TRY(list_keys(store));
  if (std::ranges::find(keys, id, &VaultKeyInfo::id) == keys.end()) {
    return error(ErrorCode::not_found, "the vault has no key '{}'; list them with 'rekindle vault key list'",
                 id);
  }
  if (id == in_use) {
    return error(
        ErrorCode::failed_precondition,
        "this is the key that opened the vault just now: add another one and say 'rekindle vault key use' "
        "with it first");
  }
  return store.remove(keys_folder + id);
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
  const std::string id = TRY(put_key(store, secret, newest, epoch, random), "rotating the vault's key");
  const std::string name = epoch_object(epoch);
  const Bytes chain = sealed_object(VaultKeys(rotated), ObjectKind::epoch, name, masters.back(), random);
  Result<> put = store.put(name, chain);
  if (!put.ok() && put.error().code() == ErrorCode::already_exists) {
    TRY(store.remove(keys_folder + id), "removing a key that opens nothing");
    return rotated_since(epoch, masters.size());
  }
  if (!put.ok()) return std::move(put).error().context("rotating the vault's key");
  remove_old_keys(store, before);
  return rotated;
}

}  // namespace rekindle
