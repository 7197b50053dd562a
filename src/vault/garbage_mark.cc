#include "vault/garbage_mark.h"

#include <atomic>

#include "base/parallel.h"
#include "vault/point_object.h"

namespace rekindle {

namespace {

constexpr std::size_t marking_threads = 8;  // they mostly wait for the store

class Marker {
 public:
  Marker(const MarkedVault& vault, Marked& marked, std::stop_token stop)
      : vault_(vault), marked_(marked), stop_(std::move(stop)) {}

  Result<> perform(Time removed_since) {
    damaged_ = TRY(list_marks(vault_.store, PackMark::damaged));
    auto objects = TRY(vault_.store.list("points/"), "listing the recovery points");
    const auto removed = TRY(vault_.store.list("removed/"), "listing the removed recovery points");
    for (const ObjectInfo& object : removed) {
      if (object.put_at <= removed_since) marked_.expired_removals.push_back(object.name);
      if (object.put_at > removed_since) objects.push_back(object);
    }
    marked_.packs = TRY(list_packs(vault_.store));
    for (const ListedPack& pack : marked_.packs) present_.insert(pack.name);
    TRY(parallel_for(objects.size(), marking_threads, stop_,
                     [&](std::size_t i) { return mark_point(objects[i].name); }));
    marked_.pages = pages_;
    return {};
  }

 private:
  Result<> mark_point(const std::string& object_name) {
    const auto point = read_point(vault_.store, vault_.keys, object_name);
    if (!point.ok() && point.error().code() == ErrorCode::not_found) return mark_moved(object_name);
    if (!point.ok()) return point.error();
    return mark_trees(*point);
  }

  // Removed since it was listed: its copy was put before, and protects what it reaches.
  Result<> mark_moved(const std::string& object_name) {
    if (!object_name.starts_with("points/")) return {};
    const auto copies =
        TRY(vault_.store.list("removed/" + object_name.substr(object_name.find('/') + 1) + "-"));
    for (const ObjectInfo& copy : copies) {
      const auto point = read_point(vault_.store, vault_.keys, copy.name);
      if (!point.ok() && point.error().code() == ErrorCode::not_found) continue;  // expired meanwhile
      if (!point.ok()) return point.error();
      TRY(mark_trees(*point));
    }
    return {};
  }

  Result<> mark_trees(const VaultPoint& point) {
    ++points_;
    marked_.points = points_;
    for (const PointDisk& disk : point.disks) {
      TRY(mark_page(disk.root, root_level),
          "finding what recovery point {} needs (nothing is collected while that is unknown)", point.id);
    }
    return {};
  }

  Result<> mark_page(const Ref& ref, int level) {
    if (ref.is_hole()) return {};
    if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    TRY(mark(ref));
    if (!visited_.add(ref.place)) return {};
    ++pages_;
    const auto page = TRY(vault_.trees.load(ref, level));
    for (const Ref& child : page->children) {
      if (child.is_hole()) continue;
      if (level > 0) TRY(mark_page(child, level - 1));
      if (level == 0) TRY(mark(child));
    }
    return {};
  }

  Result<> mark(const Ref& ref) {
    if (present_.contains(ref.place.pack)) {
      marked_.live.add(ref.place);
      if (!damaged_.contains(ref.place.pack)) return {};
    }
    // Gone or damaged: wherever else it lies, readers find it there.
    const auto places = TRY(vault_.index.find_all(ref.id));
    for (const IndexEntry& entry : places) marked_.live.add(entry.place);
    return {};
  }

  const MarkedVault& vault_;
  Marked& marked_;
  const std::stop_token stop_;
  PackNames present_;
  PackMarks damaged_;
  LiveFrames
      visited_;  // pages; not the same as live ones: those found through the index were not visited there
  std::atomic<std::uint64_t> points_ = 0;
  std::atomic<std::uint64_t> pages_ = 0;
};

}  // namespace

Result<std::unique_ptr<Marked>> mark_live(const MarkedVault& vault, Time removed_since,
                                          std::stop_token stop) {
  auto marked = std::make_unique<Marked>();
  TRY(Marker(vault, *marked, std::move(stop)).perform(removed_since));
  return marked;
}

}  // namespace rekindle
