#include "vault/vault_check.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <tuple>

#include "base/parallel.h"
#include "vault/content_finder.h"
#include "vault/live_frames.h"
#include "vault/pack_check.h"
#include "vault/point_object.h"
#include "vault/tree_reader.h"

namespace rekindle {

namespace {

constexpr std::size_t reading_threads = 4;
constexpr std::size_t checked_at_once = std::size_t{1} << 21;  // entries of a segment: 128 MiB

class Checker {
 public:
  Checker(ObjectStore& store, const VaultKeys& keys, const CheckOptions& options, std::stop_token stop)
      : store_(store),
        keys_(keys),
        options_(options),
        stop_(std::move(stop)),
        packs_(store, keys),
        finder_(store, keys),
        trees_(packs_, keys, &finder_),
        places_(store, keys) {}

  Result<CheckReport> perform() {
    TRY(check_packs());
    TRY(check_index());
    TRY(check_points());
    return summary();
  }

 private:
  struct Problem {
    std::set<std::string> points;
    std::map<std::tuple<std::string, std::string, std::string>, Extents> lost;  // machine, point, disk
  };
  struct Walk {
    const VaultPoint& point;
    const PointDisk& disk;
  };

  Result<> check_packs();
  Result<> check_index();
  Result<> check_segment(const std::string& name);
  Result<> check_entries(const std::string& segment, std::vector<IndexEntry> entries);
  Result<> check_points();
  Result<> check_point(const std::string& name);
  // Whether nothing below is lost. `first`: the chunk where the subtree begins.
  Result<bool> check_tree(const Walk& walk, const Ref& ref, int level, std::uint64_t first);
  Result<bool> check_chunk(const Walk& walk, const Ref& ref, std::uint64_t number);
  void lose(const Walk& walk, const std::string& what, std::uint64_t first, std::uint64_t chunks);
  Result<CheckReport> summary();

  ObjectStore& store_;
  const VaultKeys& keys_;
  const CheckOptions& options_;
  const std::stop_token stop_;
  PackReader packs_;
  ContentFinder finder_;
  TreeReader trees_;
  PackCheck places_;

  CheckReport report_;
  std::map<std::string, Problem> problems_;
  std::set<std::string> damaged_segments_;
  LiveFrames seen_;                                                 // pages
  std::set<std::pair<PackName, std::uint32_t>> pages_with_losses_;  // of these; walked again for every point
};

Result<> Checker::check_packs() {
  const auto packs = TRY(list_packs(store_));
  std::uint64_t all = 0;
  for (const ListedPack& pack : packs) all += pack.size_bytes;
  unsigned percent = 0;
  if (options_.level == CheckLevel::sampled) percent = std::min(100U, options_.sample_percent);
  if (options_.level == CheckLevel::data) percent = 100;
  std::atomic<std::uint64_t> done = 0;
  TRY(parallel_for(packs.size(), reading_threads, stop_, [&](std::size_t i) -> Result<> {
    TRY(places_.read(packs[i], {percent, options_.seed}));
    done += packs[i].size_bytes;
    if (options_.progress) options_.progress(done, all);
    return {};
  }));
  for (const auto& [sentence, object] : places_.damage()) problems_.try_emplace(sentence);
  return {};
}

Result<> Checker::check_index() {
  const auto segments = TRY(store_.list("index/"));
  for (const ObjectInfo& segment : segments) {
    const Result<> checked = check_segment(segment.name);
    if (checked.ok() || checked.error().code() == ErrorCode::not_found) continue;  // merged meanwhile
    if (checked.error().code() != ErrorCode::corrupt) return checked;
    problems_.try_emplace(checked.error().message());
    damaged_segments_.insert(segment.name);
  }
  return {};
}

Result<> Checker::check_segment(const std::string& name) {
  IndexPageCache cache(1);
  const auto segment = TRY(IndexSegment::open(store_, keys_, cache, name));
  std::vector<IndexEntry> entries;
  for (std::size_t i = 0; i < segment->page_count(); ++i) {
    if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    const auto page = TRY(segment->page(i));
    entries.insert(entries.end(), page.begin(), page.end());
    if (entries.size() < checked_at_once && i + 1 < segment->page_count()) continue;
    TRY(check_entries(name, std::exchange(entries, {})));
  }
  return {};
}

Result<> Checker::check_entries(const std::string& segment, std::vector<IndexEntry> entries) {
  // Pack by pack, so that each directory is read once.
  std::ranges::sort(entries, {}, &IndexEntry::place);
  for (const IndexEntry& entry : entries) {
    Result<> listed = places_.lists(entry.kind, entry.id, entry.place);
    if (listed.ok()) continue;
    if (listed.error().code() != ErrorCode::corrupt) return listed;
    // A pack that was collected, or whose directory is damaged, is no fault of the segment's.
    const auto directory = packs_.directory(entry.kind, entry.place.pack);
    if (directory.ok()) return damaged(segment, "it names places that hold something else");
  }
  return {};
}

Result<> Checker::check_points() {
  const auto objects = TRY(store_.list("points/"));
  for (const ObjectInfo& object : objects) {
    const Result<> checked = check_point(object.name);
    if (checked.ok() || checked.error().code() == ErrorCode::not_found) continue;  // removed meanwhile
    if (checked.error().code() != ErrorCode::corrupt) return checked;
    ++report_.points;
    problems_[checked.error().message()].points.insert(object.name);
  }
  return {};
}

Result<> Checker::check_point(const std::string& name) {
  const auto point = TRY(read_point(store_, keys_, name));
  ++report_.points;
  for (const PointDisk& disk : point.disks) {
    TRY(check_tree({point, disk}, disk.root, root_level, 0));
  }
  return {};
}

Result<bool> Checker::check_tree(const Walk& walk, const Ref& ref, int level, std::uint64_t first) {
  if (ref.is_hole()) return true;
  if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
  const std::pair key(ref.place.pack, ref.place.offset);
  const bool is_new = seen_.add(ref.place);
  if (!is_new && !pages_with_losses_.contains(key)) return true;
  if (is_new) ++report_.pages;
  const auto page = trees_.load(ref, level);
  bool whole = page.ok();
  if (!page.ok()) {
    if (page.error().code() != ErrorCode::corrupt) return page.error();
    const Result<> held = places_.holds(ObjectKind::tree, ref.id, ref.place);
    lose(walk, (held.ok() ? page.error() : held.error()).message(), first, chunks_per_child(level + 1));
  }
  const std::uint64_t step = chunks_per_child(level);
  for (std::size_t i = 0; page.ok() && i < page_children; ++i) {
    const Ref& child = (*page)->children[i];
    if (child.is_hole()) continue;
    if (level == 0 && is_new) ++report_.chunks;
    const bool sound = TRY(level > 0 ? check_tree(walk, child, level - 1, first + i * step)
                                     : check_chunk(walk, child, first + i));
    whole = whole && sound;
  }
  if (!whole) pages_with_losses_.insert(key);
  return whole;
}

Result<bool> Checker::check_chunk(const Walk& walk, const Ref& ref, std::uint64_t number) {
  const Result<> held = places_.holds(ObjectKind::data, ref.id, ref.place);
  if (held.ok()) return true;
  const Result<> elsewhere = finder_.try_elsewhere(
      ObjectKind::data, ref, held.error(),
      [&](const Place& place) { return places_.holds(ObjectKind::data, ref.id, place); });
  if (elsewhere.ok()) ++report_.moved;
  if (elsewhere.ok()) return true;
  if (elsewhere.error().code() != ErrorCode::corrupt) return elsewhere.error();
  lose(walk, held.error().message(), number, 1);
  return false;
}

void Checker::lose(const Walk& walk, const std::string& what, std::uint64_t first, std::uint64_t chunks) {
  Problem& problem = problems_[what];
  problem.points.insert(walk.point.id.str());
  Extents& lost = problem.lost[{walk.point.machine.str(), walk.point.id.str(), walk.disk.id.str()}];
  const Extents disk{{0, walk.disk.size_bytes}};
  lost = unite(lost, intersect({{first * chunk_bytes, chunks * chunk_bytes}}, disk));
}

Result<CheckReport> Checker::summary() {
  const PackMarks marked = TRY(list_marks(store_, PackMark::damaged));
  const auto damage = places_.damage();
  std::set<std::string> objects = damaged_segments_;
  std::set<std::string> quarantined;
  for (const auto& [sentence, object] : damage) {
    ObjectKind kind{};
    PackName pack{};
    if (parse_pack_object_name(object, kind, pack) && marked.contains(pack) &&
        problems_[sentence].points.empty()) {
      problems_.erase(sentence);
      quarantined.insert(object);
    } else {
      objects.insert(object);
    }
  }
  for (const auto& [what, problem] : problems_) {
    CheckProblem told{what, {problem.points.begin(), problem.points.end()}, {}};
    for (const auto& [owner, bytes] : problem.lost) {
      told.lost.push_back({std::get<0>(owner), std::get<1>(owner), std::get<2>(owner), bytes});
    }
    report_.problems.push_back(std::move(told));
  }
  report_.quarantined = quarantined.size();
  report_.damaged_objects.assign(objects.begin(), objects.end());
  report_.bytes_read = places_.bytes_read();
  return report_;
}

}  // namespace

Result<CheckReport> check_vault(ObjectStore& store, const VaultKeys& keys, const CheckOptions& options,
                                std::stop_token stop) {
  return Checker(store, keys, options, std::move(stop)).perform();
}

}  // namespace rekindle
