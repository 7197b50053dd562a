#include "vault/vault.h"

#include <algorithm>
#include <tuple>

#include "base/parallel.h"
#include "vault/point_object.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr std::size_t listing_threads = 8;

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

Vault::Vault(ObjectStore& store, OpenedKeys opened)
    : store_(store),
      opened_(std::move(opened)),
      keys_(opened_.masters),
      packs_(store, keys_),
      finder_(store, keys_),
      trees_(packs_, keys_, &finder_),
      index_(store, keys_, packs_) {}

Result<std::unique_ptr<Vault>> Vault::create(ObjectStore& store, const VaultSecret& secret) {
  SystemRandom random;
  auto opened = TRY(create_keys(store, secret, random));
  return std::unique_ptr<Vault>(new Vault(store, std::move(opened)));
}

Result<std::unique_ptr<Vault>> Vault::open(ObjectStore& store, const VaultSecret& secret) {
  auto opened = TRY(open_keys(store, secret));
  return std::unique_ptr<Vault>(new Vault(store, std::move(opened)));
}

Result<> Vault::add_secret(const VaultSecret& secret) {
  return add_key(store_, opened_.masters, secret, random_);
}

Result<std::vector<VaultKeyInfo>> Vault::list_secrets() {
  return list_keys(store_);
}

Result<> Vault::remove_secret(const std::string& id) {
  return remove_key(store_, id, opened_.key_id);
}

Result<> Vault::rotate_key(const VaultSecret& secret) {
  TRY(rekindle::rotate_key(store_, opened_.masters, secret, random_));
  return {};
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
  TRY(confirm_newest(store_, opened_.masters));
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
  TRY(confirm_newest(store_, opened_.masters));
  // Without our caches, which may hold what the store has lost.
  return check_vault(store_, keys_, options, std::move(stop));
}

Result<CheckReport> Vault::check(CheckLevel level, std::stop_token stop) {
  CheckOptions options;
  options.level = level;
  return check(options, std::move(stop));
}

Result<RepairReport> Vault::repair(const RepairOptions& options, std::stop_token stop) {
  TRY(confirm_newest(store_, opened_.masters));
  return repair_vault(store_, keys_, random_, options, std::move(stop));
}

}  // namespace rekindle
