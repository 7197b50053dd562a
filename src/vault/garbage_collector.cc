#include "vault/garbage_collector.h"

#include <algorithm>
#include <set>

#include "vault/content_finder.h"
#include "vault/index_merge.h"
#include "vault/pack_compactor.h"
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
      present_.insert(pack.name);
      if (!doomed_.contains(pack.name) && !damaged_.contains(pack.name)) safe_.insert(pack.name);
    }
    TRY(delete_doomed());
    TRY(doom_dead());
    TRY(delete_leftovers());
    TRY(tidy_index());
    TRY(compact_thin());
    return report_;
  }

 private:
  bool is_dead(const ListedPack& pack) const { return !marked_->live.needs(pack.name); }

  Result<> delete_doomed();
  Result<> doom_dead();
  Result<> delete_leftovers();
  Result<> tidy_index();
  Result<> compact_thin();
  Result<> check_index() const;
  // False if a retention lock keeps it.
  Result<bool> remove(const std::string& object);
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
  PackNames present_;
  std::vector<ListedPack> thin_;
  PackNames safe_;  // present and not doomed: no collector deletes them within a grace period of begun_
  std::unique_ptr<Marked> marked_;
  CollectReport report_;
};

Result<bool> Collector::remove(const std::string& object) {
  if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
  if (options_.dry_run) return true;
  const Result<> removed = vault_.store.remove(object);
  const bool locked = !removed.ok() && removed.error().code() == ErrorCode::permission_denied;
  if (locked) ++report_.objects_locked;
  if (!removed.ok() && !locked) return removed.error();
  return !locked;
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

// What was moved and is not found seems to be needed by nobody.
Result<> Collector::check_index() const {
  if (index_.complete()) return {};
  return error(ErrorCode::corrupt,
               "a part of the vault's index cannot be read: run 'vault repair', then collect again (nothing "
               "was deleted)");
}

// Whether everything in the pack that is needed lies in a safe pack too. Copies are marked live, so that no
// collector that sees what this one sees dooms them.
Result<bool> Collector::has_copies(const ListedPack& pack) {
  const auto live = marked_->live.frames(pack.name);
  const auto frames = packs_.directory(pack.kind, pack.name);
  if (!frames.ok() && frames.error().code() == ErrorCode::corrupt) return false;
  if (!frames.ok()) return frames.error();
  bool all = true;
  for (const PackFrame& frame : *frames) {
    const LiveFrames::Frame* needed = find_frame(live, frame.offset);
    if (needed == nullptr) continue;
    for (std::size_t slot = 0; slot < frame.ids.size(); ++slot) {
      if (!needed->needs(slot)) continue;
      const auto entries = TRY(index_.find_all(frame.ids[slot]));
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
    // Somebody referred to it in the moment of its doom, or copying it was interrupted.
    if (!needless) thin_.push_back(pack);
    if (needless && doom->second <= old_) {
      deletable.push_back(&pack);
    } else {
      report_.bytes_doomed += pack.size_bytes;
    }
  }
  TRY(check_index());
  for (std::size_t i = 0; i < deletable.size(); ++i) {
    if (i % 256 == 0) TRY(check_time());
    const bool removed = TRY(remove(pack_object_name(deletable[i]->kind, deletable[i]->name)));
    if (!removed) continue;
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
  // A pack that was absent after its mark was listed will never be there again.
  for (const auto& [mark, packs] :
       {std::pair(PackMark::doomed, doomed_), std::pair(PackMark::damaged, damaged_)}) {
    for (const auto& [pack, put_at] : packs) {
      if (!present_.contains(pack)) TRY(remove(mark_name(mark, pack)));
    }
  }
  for (const std::string& object : marked_->expired_removals) TRY(remove(object));
  const auto beacons = TRY(vault_.store.list("beacons/"));
  for (const ObjectInfo& beacon : beacons) {
    if (beacon.put_at <= old_) TRY(remove(beacon.name));
  }
  return {};
}

Result<> Collector::tidy_index() {
  const auto segments = index_.segments();
  const auto listed = TRY(vault_.store.list("index/"));
  std::unordered_map<std::string, Time> put_at;
  for (const ObjectInfo& object : listed) put_at.emplace(object.name, object.put_at);
  std::set<std::string> needless;
  for (const std::string& name : superseded_segments(segments, present_, put_at, old_)) {
    const auto put = put_at.find(name);
    if (put == put_at.end() || put->second > old_) continue;
    const bool removed = TRY(remove(name));
    if (removed) ++report_.segments_deleted;
  }
  // What a young segment replaces already is not merged a second time.
  Segments needed;
  for (const std::string& name : superseded_segments(segments, present_, put_at, Time::max()))
    needless.insert(name);
  for (const auto& segment : segments) {
    if (!needless.contains(segment->name())) needed.push_back(segment);
  }
  if (options_.dry_run) return {};
  report_.segments_merged = TRY(merge_segments({vault_.store, vault_.keys, vault_.random, present_}, needed));
  return {};
}

Result<> Collector::compact_thin() {
  for (const ListedPack& pack : marked_->packs) {
    const std::uint64_t live = marked_->live.live_bytes(pack.name);
    const bool is_thin = !is_dead(pack) && live * 100 < pack.size_bytes * options_.thin_percent;
    if (is_thin && pack.put_at <= old_ && safe_.contains(pack.name)) thin_.push_back(pack);
  }
  report_.packs_compacted = thin_.size();
  if (options_.dry_run || thin_.empty()) return {};
  const auto compacted =
      TRY(compact({vault_.store, vault_.keys, vault_.random, packs_}, thin_, marked_->live, stop_));
  for (const PackName& pack : compacted.packs) TRY(put_mark(vault_.store, PackMark::doomed, pack));
  report_.packs_compacted = compacted.packs.size();
  report_.bytes_copied = compacted.bytes_copied;
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
