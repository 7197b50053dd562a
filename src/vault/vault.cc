#include "vault/vault.h"

#include <algorithm>
#include <tuple>

#include "base/parallel.h"
#include "vault/point_object.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr const char* vault_object = "vault";
constexpr std::size_t listing_threads = 8;

Result<> put_key(ObjectStore& store, const VaultSecret& secret, const AeadKey& master, Random& random) {
  const std::string name = "keys/" + random.hex(16);
  const Bytes object = TRY(secret.wrap(master, name, random));
  return store.put(name, object);
}

// Whether `master` is this vault's: keys of a creation that was interrupted may lie about.
Result<> check_vault_object(const AeadKey& master, ByteView object) {
  const Bytes body = TRY(open_object(VaultKeys(master), ObjectKind::vault, vault_object, object));
  WireReader in(body);
  in.bytes(16);
  const auto size = in.number<std::uint32_t>();
  if (in.complete() && size == chunk_bytes) return {};
  return error(ErrorCode::failed_precondition,
               "this vault has chunks of {} bytes, this program knows {}: use a newer rekindle", size,
               chunk_bytes);
}

Result<> check_new_point(const NewPoint& point) {
  if (point.id.empty() || point.machine.empty()) {
    return error(ErrorCode::invalid_argument, "a recovery point needs an id and a machine");
  }
  for (const NewDisk& disk : point.disks) {
    if (std::ranges::count(point.disks, disk.id, &NewDisk::id) != 1) {
      return error(ErrorCode::invalid_argument, "disk {} is there twice", disk.id);
    }
    if (disk.size_bytes > largest_disk_bytes) {
      return error(ErrorCode::invalid_argument, "disk {} has {}, the vault takes up to {}", disk.id,
                   human_bytes(disk.size_bytes), human_bytes(largest_disk_bytes));
    }
  }
  return {};
}

Result<> check_parent(const NewPoint& point, const VaultPoint& parent) {
  if (parent.machine != point.machine) {
    return error(ErrorCode::failed_precondition, "recovery point {} is of machine {}, not {}", parent.id,
                 parent.machine, point.machine);
  }
  for (const NewDisk& disk : point.disks) {
    const auto before = std::ranges::find(parent.disks, disk.id, &PointDisk::id);
    if (before != parent.disks.end() && before->size_bytes > disk.size_bytes) {
      return error(ErrorCode::failed_precondition, "disk {} shrank from {} to {} bytes: make a full backup",
                   disk.id, before->size_bytes, disk.size_bytes);
    }
  }
  return {};
}

}  // namespace

Vault::Vault(ObjectStore& store, const AeadKey& master)
    : store_(store),
      master_(master),
      keys_(master),
      packs_(store, keys_),
      finder_(store, keys_),
      trees_(packs_, keys_, &finder_),
      index_(store, keys_, packs_) {}

Result<std::unique_ptr<Vault>> Vault::create(ObjectStore& store, const VaultSecret& secret) {
  const auto refuse = [] {
    return error(ErrorCode::already_exists, "there is a vault already: open it, or choose another place");
  };
  const auto existing = TRY(store.list(vault_object));
  if (!existing.empty()) return refuse();
  SystemRandom random;
  AeadKey master{};
  random.fill(master);
  TRY(put_key(store, secret, master, random), "making the vault's key");
  WireWriter body;
  body.bytes(random.bytes(16));
  body.number(static_cast<std::uint32_t>(chunk_bytes));
  const Bytes object = sealed_object(VaultKeys(master), ObjectKind::vault, vault_object, body.take(), random);
  Result<> put = store.put(vault_object, object);
  if (!put.ok() && put.error().code() == ErrorCode::already_exists) return refuse();
  if (!put.ok()) return std::move(put).error().context("making the vault");
  return std::unique_ptr<Vault>(new Vault(store, master));
}

Result<std::unique_ptr<Vault>> Vault::open(ObjectStore& store, const VaultSecret& secret) {
  auto object = store.get(vault_object);
  if (!object.ok() && object.error().code() == ErrorCode::not_found) {
    return error(ErrorCode::not_found, "there is no vault here: check the place, or create one ({})",
                 object.error().message());
  }
  if (!object.ok()) return std::move(object).error().context("opening the vault");
  Error last = error(ErrorCode::corrupt,
                     "the vault has lost its keys (keys/*): restore them from a copy of the vault");
  const auto keys = TRY(store.list("keys/"), "opening the vault");
  for (const ObjectInfo& key : keys) {
    const Bytes wrapped = TRY(store.get(key.name), "opening the vault");
    auto master = secret.unwrap(key.name, wrapped);
    Result<> right = master.ok() ? check_vault_object(*master, *object) : Result<>(master.error());
    if (right.ok()) return std::unique_ptr<Vault>(new Vault(store, *master));
    // That one key object is damaged or another's matters less than that ours was tried and refused.
    if (last.code() == ErrorCode::corrupt || right.error().code() != ErrorCode::unauthenticated) {
      last = std::move(right).error();
    }
  }
  return last;
}

Result<> Vault::add_secret(const VaultSecret& secret) {
  return put_key(store_, secret, master_, random_);
}

Result<std::unique_ptr<PointWriter>> Vault::begin_point(const NewPoint& point, WriterOptions options) {
  TRY(check_new_point(point));
  const Time begun = TRY(store_time(store_, random_));
  std::optional<VaultPoint> parent;
  if (point.parent) {
    parent = TRY(get(*point.parent), "finding the parent of recovery point {}", point.id);
    TRY(check_parent(point, *parent));
  }
  TRY(index_.refresh());
  const PointWriter::Services services{store_, keys_, random_, index_, trees_, begun};
  return std::make_unique<PointWriter>(services, point, parent, options);
}

Result<std::vector<VaultPoint>> Vault::list() {
  const auto objects = TRY(store_.list("points/"), "listing the recovery points");
  std::vector<VaultPoint> points(objects.size());
  TRY(parallel_for(objects.size(), listing_threads, {}, [&](std::size_t i) -> Result<> {
    auto point = read_point(store_, keys_, objects[i].name);
    if (point.ok()) points[i] = std::move(*point);
    const bool removed_meanwhile = !point.ok() && point.error().code() == ErrorCode::not_found;
    return point.ok() || removed_meanwhile ? Result<>() : Result<>(point.error());
  }));
  std::erase_if(points, [](const VaultPoint& point) { return point.id.empty(); });
  std::ranges::sort(points, {}, [](const VaultPoint& point) { return std::tie(point.time, point.id); });
  return points;
}

Result<std::vector<VaultPoint>> Vault::list(const MachineId& machine) {
  auto points = TRY(list());
  std::erase_if(points, [&](const VaultPoint& point) { return point.machine != machine; });
  return points;
}

Result<VaultPoint> Vault::get(const RecoveryPointId& id) {
  auto point = read_point(store_, keys_, keys_.point_object_name(id));
  if (!point.ok() && point.error().code() == ErrorCode::not_found) {
    return error(ErrorCode::not_found, "there is no recovery point {} in the vault", id);
  }
  return point;
}

Result<> Vault::remove_point(const RecoveryPointId& id) {
  return move_to_removed(store_, keys_, random_, id);
}

Result<CollectReport> Vault::collect(const CollectOptions& options, std::stop_token stop) {
  return collect_garbage({store_, keys_, random_}, options, std::move(stop));
}

Result<std::unique_ptr<BlockSource>> Vault::open_disk(const RecoveryPointId& point, const DiskId& disk,
                                                      const VaultDiskOptions& options) {
  const VaultPoint opened = TRY(get(point));
  PointDisk found = TRY(find_disk(opened, disk));
  return std::unique_ptr<BlockSource>(
      std::make_unique<VaultDisk>(packs_, trees_, keys_, finder_, std::move(found), options));
}

Result<Extents> Vault::diff(const RecoveryPointId& from, const RecoveryPointId& to, const DiskId& disk) {
  const VaultPoint before = TRY(get(from));
  const VaultPoint after = TRY(get(to));
  const PointDisk now = TRY(find_disk(after, disk));
  const auto then = find_disk(before, disk);
  const Extents found = TRY(trees_.differences(then.ok() ? then->root : Ref{}, now.root));
  return intersect(found, {{0, now.size_bytes}});
}

Result<KeepReport> Vault::keep_until(Time until, std::stop_token stop) {
  return keep_what_points_need(store_, keys_, until, std::move(stop));
}

Result<CheckReport> Vault::check(const CheckOptions& options, std::stop_token stop) {
  // Without our caches, which may hold what the store has lost.
  return check_vault(store_, keys_, options, std::move(stop));
}

Result<CheckReport> Vault::check(CheckLevel level, std::stop_token stop) {
  CheckOptions options;
  options.level = level;
  return check(options, std::move(stop));
}

Result<RepairReport> Vault::repair(const RepairOptions& options, std::stop_token stop) {
  return repair_vault(store_, keys_, random_, options, std::move(stop));
}

}  // namespace rekindle
