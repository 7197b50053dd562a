#include "vault/vault_repair.h"

#include <algorithm>

#include "vault/index.h"
#include "vault/index_segment_writer.h"

namespace rekindle {

namespace {

constexpr std::size_t segment_entries = std::size_t{1} << 20;  // 64 MiB while it is made

Result<> quarantine(ObjectStore& store, const std::vector<std::string>& objects, RepairReport& report) {
  for (const std::string& object : objects) {
    ObjectKind kind{};
    PackName pack{};
    if (parse_pack_object_name(object, kind, pack)) {
      TRY(put_mark(store, PackMark::damaged, pack));
      ++report.packs_quarantined;
    } else {
      TRY(store.remove(object));
      ++report.segments_removed;
    }
  }
  return {};
}

// A segment for what no segment names, cut between packs: a segment that names a pack has all of its entries.
Result<> complete_index(ObjectStore& store, const VaultKeys& keys, Random& random, RepairReport& report) {
  PackReader packs(store, keys);
  Index index(store, keys, packs, IndexUse::finding);
  TRY(index.refresh());
  auto entries = index.orphans();
  std::ranges::sort(entries, {}, &IndexEntry::place);
  while (!entries.empty()) {
    std::size_t count = std::min(entries.size(), segment_entries);
    while (count < entries.size() && entries[count].place.pack == entries[count - 1].place.pack) ++count;
    const auto end = entries.begin() + static_cast<std::ptrdiff_t>(count);
    TRY(put_index_segment(store, keys, random, {entries.begin(), end}));
    report.entries_indexed += count;
    entries.erase(entries.begin(), end);
  }
  return {};
}

Result<> remove_unreadable_points(ObjectStore& store, const CheckReport& damage, RepairReport& report) {
  for (const CheckProblem& problem : damage.problems) {
    if (!problem.lost.empty()) continue;
    for (const std::string& object : problem.points) {
      TRY(store.remove(object));
      ++report.points_removed;
    }
  }
  return {};
}

}  // namespace

Result<RepairReport> repair_vault(ObjectStore& store, const VaultKeys& keys, Random& random,
                                  const RepairOptions& options, std::stop_token stop) {
  CheckOptions checking;
  checking.level = options.level;
  checking.progress = options.progress;
  const CheckReport damage = TRY(check_vault(store, keys, checking, std::move(stop)));
  RepairReport report;
  TRY(quarantine(store, damage.damaged_objects, report));
  TRY(complete_index(store, keys, random, report));
  if (options.remove_unreadable_points) TRY(remove_unreadable_points(store, damage, report));
  for (const CheckProblem& problem : damage.problems) {
    if (!problem.points.empty()) report.lost.push_back(problem);
  }
  return report;
}

}  // namespace rekindle
