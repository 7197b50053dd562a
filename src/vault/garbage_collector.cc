#include "vault/garbage_collector.h"

#include <algorithm>

#include "vault/content_finder.h"
#include "vault/write_lease.h"

namespace rekindle {

namespace {

class Collector {
 public:
  Collector(const CollectedVault& vault, const CollectOptions& options, std::stop_token stop)
      : vault_(vault),
        options_(options),
        stop_(std::move(stop)),
        packs_(vault.store, vault.keys),
        finder_(vault.store, vault.keys),
        trees_(packs_, vault.keys, &finder_),
        index_(vault.store, vault.keys, packs_, IndexUse::finding) {}

  Result<CollectReport> perform() {
    begun_ = TRY(store_time(vault_.store, vault_.random));
    old_ = begun_ - options_.grace;
    doomed_ = TRY(list_marks(vault_.store, PackMark::doomed));
    damaged_ = TRY(list_marks(vault_.store, PackMark::damaged));
    TRY(index_.refresh());
    marked_ = TRY(mark_live({vault_.store, vault_.keys, trees_, index_}, old_, stop_));
    report_.points = marked_->points;
    report_.pages = marked_->pages;
    for (const ListedPack& pack : marked_->packs) {
      report_.bytes_stored += pack.size_bytes;
      report_.bytes_live += marked_->live.live_bytes(pack.name);
      if (!doomed_.contains(pack.name)) safe_.insert(pack.name);
    }
    TRY(delete_doomed());
    TRY(doom_dead());
    TRY(delete_leftovers());
    return report_;
  }

 private:
  bool is_dead(const ListedPack& pack) const { return marked_->live.live_bytes(pack.name) == 0; }

  Result<> delete_doomed();
  Result<> doom_dead();
  Result<> delete_leftovers();
  Result<> delete_segments();
  Result<> remove(const std::string& object);
  Result<bool> has_copies(const ListedPack& pack);
  Result<> check_time();

  const CollectedVault& vault_;
  const CollectOptions options_;
  const std::stop_token stop_;
  PackReader packs_;
  ContentFinder finder_;
  TreeReader trees_;
  Index index_;

  Time begun_;  // before the points were listed
  Time old_;    // what was put before this has had its grace period
  PackMarks doomed_;
  PackMarks damaged_;
  PackNames safe_;  // present and not doomed: no collector deletes them within a grace period of begun_
  std::unique_ptr<Marked> marked_;
  CollectReport report_;
};

Result<> Collector::remove(const std::string& object) {
  if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
  if (options_.dry_run) return {};
  return vault_.store.remove(object);
}

// What was found out holds for half a grace period: `safe_` packs may be gone a whole one after begun_.
Result<> Collector::check_time() {
  const Time now = TRY(store_time(vault_.store, vault_.random));
  if (now - begun_ < options_.grace / 2) return {};
  return error(
      ErrorCode::unavailable,
      "looking through the vault took {}, too long to delete anything by what was seen: run it again, with a "
      "longer grace period",
      human_duration(now - begun_));
}

// Whether everything in the pack that is needed lies in a safe pack too. Copies are marked live, so that no
// collector that sees what this one sees dooms them.
Result<bool> Collector::has_copies(const ListedPack& pack) {
  const auto live = marked_->live.offsets(pack.name);
  const auto frames = packs_.directory(pack.kind, pack.name);
  if (!frames.ok() && frames.error().code() == ErrorCode::corrupt) return false;
  if (!frames.ok()) return frames.error();
  bool all = true;
  for (const PackFrame& frame : *frames) {
    if (!std::ranges::binary_search(live, frame.offset)) continue;
    for (const ContentId& id : frame.ids) {
      const auto entries = TRY(index_.find_all(id));
      bool safe = false;
      for (const IndexEntry& entry : entries) {
        marked_->live.add(entry.place);
        safe = safe || (entry.kind == pack.kind && safe_.contains(entry.place.pack));
      }
      all = all && safe;
    }
  }
  return all;
}

Result<> Collector::delete_doomed() {
  std::vector<const ListedPack*> deletable;
  for (const ListedPack& pack : marked_->packs) {
    const auto doom = doomed_.find(pack.name);
    if (doom == doomed_.end()) continue;
    const bool needless = TRY(is_dead(pack) ? Result<bool>(true) : has_copies(pack));
    if (needless && doom->second <= old_) {
      deletable.push_back(&pack);
    } else {
      report_.bytes_doomed += pack.size_bytes;
    }
  }
  for (std::size_t i = 0; i < deletable.size(); ++i) {
    if (i % 256 == 0) TRY(check_time());
    TRY(remove(pack_object_name(deletable[i]->kind, deletable[i]->name)));
    ++report_.packs_deleted;
    report_.bytes_deleted += deletable[i]->size_bytes;
  }
  return {};
}

Result<> Collector::doom_dead() {
  for (const ListedPack& pack : marked_->packs) {
    if (doomed_.contains(pack.name) || pack.put_at > old_ || !is_dead(pack)) continue;
    if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    if (!options_.dry_run) TRY(put_mark(vault_.store, PackMark::doomed, pack.name));
    ++report_.packs_doomed;
    report_.bytes_doomed += pack.size_bytes;
  }
  return {};
}

Result<> Collector::delete_leftovers() {
  PackNames present;
  for (const ListedPack& pack : marked_->packs) present.insert(pack.name);
  // A pack that was absent after its mark was listed will never be there again.
  for (const auto& [mark, packs] :
       {std::pair(PackMark::doomed, doomed_), std::pair(PackMark::damaged, damaged_)}) {
    for (const auto& [pack, put_at] : packs) {
      if (!present.contains(pack)) TRY(remove(mark_name(mark, pack)));
    }
  }
  for (const std::string& object : marked_->expired_removals) TRY(remove(object));
  const auto beacons = TRY(vault_.store.list("beacons/"));
  for (const ObjectInfo& beacon : beacons) {
    if (beacon.put_at <= old_) TRY(remove(beacon.name));
  }
  return delete_segments();
}

// A segment none of whose packs is there tells nothing.
Result<> Collector::delete_segments() {
  PackNames present;
  for (const ListedPack& pack : marked_->packs) present.insert(pack.name);
  const auto listed = TRY(vault_.store.list("index/"));
  const auto segments = index_.segments();
  for (const ObjectInfo& object : listed) {
    const auto segment =
        std::ranges::find(segments, object.name, [](const auto& each) { return each->name(); });
    if (segment == segments.end() || object.put_at > old_) continue;
    if (std::ranges::any_of((*segment)->packs(),
                            [&](const auto& pack) { return present.contains(pack.name); })) {
      continue;
    }
    TRY(remove(object.name));
    ++report_.segments_deleted;
  }
  return {};
}

}  // namespace

Result<CollectReport> collect_garbage(const CollectedVault& vault, const CollectOptions& options,
                                      std::stop_token stop) {
  if (options.grace < shortest_grace) {
    return error(
        ErrorCode::invalid_argument,
        "a grace period of {} is too short: writers rely on at least {}, and it must be longer than the "
        "longest backup",
        human_duration(options.grace), human_duration(shortest_grace));
  }
  return Collector(vault, options, std::move(stop)).perform();
}

}  // namespace rekindle
