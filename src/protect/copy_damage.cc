#include "protect/copy_damage.h"

#include "base/log.h"
#include "protect/copy_records.h"

namespace rekindle {

Result<DrCopy> record_damage(Catalog& catalog, const std::string& copy_id,
                             const std::vector<CopyDamage>& found) {
  DrCopy copy;
  TRY(catalog.transaction([&]() -> Result<> {
    copy = TRY(catalog.get<DrCopy>(copy_id));
    for (const CopyDamage& damage : found) {
      std::erase_if(copy.damaged, [&](const CopyDamage& known) { return known.disk_id == damage.disk_id; });
      copy.damaged.push_back(damage);
    }
    return catalog.put(copy);
  }));
  return copy;
}

void make_damaged_anew(Job& job, const DrCopy& old_copy) {
  for (const CopyDamage& damage : old_copy.damaged) {
    log::warn("{}: disk {} of the present DR copy is damaged (block {}, found at {}); writing it whole",
              old_copy.machine, damage.disk_id, damage.block, to_iso8601(damage.found));
    begin_anew(job, damage.disk_id);
  }
}

namespace {

bool is_on_top(const DrCopy& copy, const std::optional<DrCopy>& base, const DiskId& disk) {
  for (std::size_t i = 0; i < copy.disks.size(); ++i) {
    if (copy.disks[i].disk_id == disk) return parent_of(copy, i, base).has_value();
  }
  return false;
}

}  // namespace

Result<std::vector<CopyDamage>> inherited_damage(Catalog& catalog, const Job& job) {
  const auto base = base_copy_of(job);
  if (!base) return std::vector<CopyDamage>();
  auto now = catalog.get<DrCopy>(base->id);
  if (!now.ok() && now.error().code() == ErrorCode::not_found) return std::vector<CopyDamage>();
  if (!now.ok()) return std::move(now).error();
  const DrCopy copy = copy_of(job);
  std::erase_if(now->damaged,
                [&](const CopyDamage& damage) { return !is_on_top(copy, base, damage.disk_id); });
  for (const CopyDamage& damage : now->damaged) {
    log::warn(
        "{}: disk {} of the DR copy that this one is made on top of was found damaged meanwhile (block {}); "
        "the next replication makes it anew",
        base->machine, damage.disk_id, damage.block);
  }
  return std::move(now->damaged);
}

}  // namespace rekindle
