#include "cli/recovery_points.h"

#include <algorithm>

#include "model/json.h"
#include "protect/firmware_variables.h"

namespace rekindle {

namespace {

// From what was written beside the disks; a point of another program has none.
RecoveryPoint described(const VaultPoint& stored, const std::string& vault) {
  RecoveryPoint point;
  const auto metadata = nlohmann::json::parse(stored.metadata, nullptr, false);
  if (metadata.is_object() && metadata.contains("machine")) {
    try {
      metadata.get_to(point);
    } catch (const nlohmann::json::exception&) {
      point = {};
    }
  }
  point.id = stored.id;
  point.vault = vault;
  point.time = stored.time;
  point.machine.id = stored.machine;
  if (point.machine.name.empty()) point.machine.name = stored.machine.str();
  const auto disks = disks_of_machine(stored);
  if (point.disks.size() == disks.size()) return point;
  point.disks.clear();
  for (const PointDisk& disk : disks) point.disks.push_back({disk.id, disk.size_bytes, {}});
  return point;
}

Result<std::vector<RecoveryPoint>> points_of_all_vaults(Workplace& workplace) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto settings = TRY(catalog->list<VaultSettings>());
  std::vector<RecoveryPoint> points;
  for (const VaultSettings& one : settings) {
    Vault* vault = TRY(workplace.vaults().vault(one.name));
    const auto stored = TRY(vault->list(), "vault {}", one.name);
    for (const VaultPoint& point : stored) points.push_back(described(point, one.name));
  }
  return points;
}

// The newest of the machine, or the one whose id begins so.
Result<RecoveryPoint> pick(const std::vector<RecoveryPoint>& points, const std::string& word) {
  const RecoveryPoint* picked = nullptr;
  for (const RecoveryPoint& point : points) {
    if (point.id.str() == word) return point;
    if (point.machine.name == word && (picked == nullptr || picked->time <= point.time)) picked = &point;
  }
  if (picked != nullptr) return *picked;
  for (const RecoveryPoint& point : points) {
    if (!point.id.str().starts_with(word)) continue;
    if (picked != nullptr && picked->id != point.id) {
      return error(ErrorCode::invalid_argument, "several recovery points begin with '{}': {} and {}", word,
                   picked->id, point.id);
    }
    picked = &point;
  }
  if (picked != nullptr) return *picked;
  return error(
      ErrorCode::not_found,
      "there is no recovery point and no machine '{}' in {}; 'rekindle point list' shows what there is", word,
      points.empty() ? "the vaults, which are empty" : "any vault");
}

}  // namespace

Result<RecoveryPoint> find_recovery_point(Workplace& workplace, const std::string& word) {
  Catalog* catalog = TRY(workplace.catalog());
  const auto known = TRY(catalog->list<RecoveryPoint>());
  auto point = pick(known, word);
  if (point.ok() || point.error().code() != ErrorCode::not_found) return point;
  const auto stored = TRY(points_of_all_vaults(workplace), "looking for the recovery point {}", word);
  return pick(stored, word);
}

Result<std::vector<RecoveryPointDisk>> find_disks(const RecoveryPoint& point, const std::string& word) {
  if (word.empty()) return point.disks;
  std::string there;
  for (std::size_t i = 0; i < point.disks.size(); ++i) {
    const std::string id = point.disks[i].disk_id.str();
    if (id == word || std::to_string(i) == word) return std::vector{point.disks[i]};
    there += fmt::format("{}{} ({})", there.empty() ? "" : ", ", i, id);
  }
  return error(ErrorCode::not_found, "recovery point {} has no disk '{}'; it has: {}", point.id, word, there);
}

Result<RecoveryPointDisk> find_disk(const RecoveryPoint& point, const std::string& word) {
  if (point.disks.empty()) return error(ErrorCode::not_found, "recovery point {} has no disk", point.id);
  const auto disks = TRY(find_disks(point, word));
  return disks.front();
}

Result<std::unique_ptr<BlockSource>> open_disk(Workplace& workplace, const RecoveryPoint& point,
                                               const DiskId& disk, const VaultDiskOptions& options) {
  Vault* vault = TRY(workplace.vaults().vault(point.vault));
  return vault->open_disk(point.id, disk, options);
}

Result<> remove_recovery_point(Workplace& workplace, const RecoveryPoint& point) {
  Catalog* catalog = TRY(workplace.catalog());
  // As it is now: it may have been put under a hold since it was chosen.
  const auto now = TRY(catalog->get<RecoveryPoint>(point.id.str()));
  if (!now.legal_hold.empty()) {
    return error(ErrorCode::failed_precondition,
                 "{} is under a legal hold ({}); end it with 'rekindle point release {}' first", point.id,
                 now.legal_hold, point.id);
  }
  Vault* vault = TRY(workplace.vaults().vault(point.vault));
  Result<> removed = vault->remove_point(point.id);
  if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed;
  return catalog->remove<RecoveryPoint>(point.id.str());
}

}  // namespace rekindle
