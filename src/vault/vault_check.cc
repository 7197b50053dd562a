#include "vault/vault_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/parallel.h"
#include "vault/index_segment.h"
#include "vault/point.h"

namespace rekindle {

namespace {

class Checker {
 public:
  Checker(const CheckedVault& vault, CheckLevel level, std::stop_token stop)
      : vault_(vault), level_(level), stop_(std::move(stop)) {}

  Result<CheckReport> perform() {
    TRY(check_packs());
    TRY(check_index());
    TRY(check_points());
    for (const auto& [what, points] : problems_)
      report_.problems.push_back({what, {points.begin(), points.end()}});
    return report_;
  }

 private:
  struct Pack {
    std::map<std::uint32_t, PackFrame> frames;  // by offset
    std::map<std::uint32_t, std::string> damage;
  };
  using Damage = std::vector<std::string>;

  // Corruption goes into `damage`; other errors end the check.
  static Result<> note(Result<> result, Damage& damage) {
    if (result.ok() || result.error().code() != ErrorCode::corrupt) return result;
    damage.push_back(result.error().message());
    return {};
  }
  // Damage that may concern no point at all.
  void report(const Damage& damage) {
    for (const std::string& what : damage) problems_.try_emplace(what);
  }

  Result<> check_packs();
  Result<> check_pack(ObjectKind kind, const PackName& name);
  Result<> check_frame(ObjectKind kind, const PackName& name, Pack& pack, const PackFrame& frame);
  Result<> check_index();
  Result<> check_segment(const std::string& name, Damage& damage);
  Result<> check_place(ObjectKind kind, const ContentId& id, const Place& place) const;
  Result<> check_points();
  Result<> check_point(const std::string& name, std::string& title, Damage& damage);
  Result<> check_tree(const Ref& ref, int level, Damage& damage);

  const CheckedVault& vault_;
  const CheckLevel level_;
  const std::stop_token stop_;
  std::mutex mutex_;  // of what check_pack fills, on several threads
  CheckReport report_;
  std::map<std::string, std::set<std::string>> problems_;  // -> titles of points
  std::map<std::pair<ObjectKind, PackName>, Pack> packs_;
  std::map<std::pair<ContentId, Place>, Damage> pages_;  // seen, with the damage below them
};

Result<> Checker::check_packs() {
  std::vector<std::pair<ObjectKind, PackName>> found;
  for (const char* prefix : {"data/", "tree/"}) {
    const auto objects = TRY(vault_.store.list(prefix));
    for (const ObjectInfo& object : objects) {
      ObjectKind kind{};
      PackName name{};
      if (parse_pack_object_name(object.name, kind, name)) found.emplace_back(kind, name);
    }
  }
  return parallel_for(found.size(), 4, stop_, [&](std::size_t i) -> Result<> {
    Damage damage;
    TRY(note(check_pack(found[i].first, found[i].second), damage));
    const std::lock_guard lock(mutex_);
    report(damage);
    return {};
  });
}

Result<> Checker::check_pack(ObjectKind kind, const PackName& name) {
  const auto frames = TRY(vault_.packs.directory(kind, name));
  Pack pack;
  for (const PackFrame& frame : frames) {
    if (level_ == CheckLevel::data) TRY(check_frame(kind, name, pack, frame));
    pack.frames.emplace(frame.offset, frame);
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [offset, what] : pack.damage) problems_.try_emplace(what);
  packs_.emplace(std::pair(kind, name), std::move(pack));
  return {};
}

Result<> Checker::check_frame(ObjectKind kind, const PackName& name, Pack& pack, const PackFrame& frame) {
  const auto payload = vault_.packs.frame(kind, {name, frame.offset, frame.length, 0});
  if (!payload.ok() && payload.error().code() != ErrorCode::corrupt) return payload.error();
  if (!payload.ok()) {
    pack.damage.emplace(frame.offset, payload.error().message());
    return {};
  }
  bool right = true;
  if (kind == ObjectKind::tree) {
    const auto page = decode_page(*payload);
    right = page.ok() && frame.ids.size() == 1 && page_id(vault_.keys, *page) == frame.ids.front();
  } else {
    right = payload->size() == frame.ids.size() * chunk_bytes;
    for (std::size_t slot = 0; right && slot < frame.ids.size(); ++slot) {
      right = vault_.keys.chunk_id(ByteView(*payload).subspan(slot * chunk_bytes, chunk_bytes)) ==
              frame.ids[slot];
    }
  }
  const std::lock_guard lock(mutex_);
  report_.bytes_read += frame.length;
  if (right) return {};
  const auto what = fmt::format("the frame at byte {} does not hold what the directory says", frame.offset);
  pack.damage.emplace(frame.offset, damaged(pack_object_name(kind, name), what).message());
  return {};
}

Result<> Checker::check_place(ObjectKind kind, const ContentId& id, const Place& place) const {
  const std::string name = pack_object_name(kind, place.pack);
  const auto pack = packs_.find({kind, place.pack});
  if (pack == packs_.end()) return damaged(name, "it is missing, or its directory cannot be read");
  const auto damage = pack->second.damage.find(place.offset);
  if (damage != pack->second.damage.end()) return Error(ErrorCode::corrupt, damage->second);
  const auto frame = pack->second.frames.find(place.offset);
  if (frame == pack->second.frames.end() || frame->second.length != place.length ||
      place.slot >= frame->second.ids.size() || frame->second.ids[place.slot] != id) {
    return damaged(name, fmt::format("what should be at byte {} is not there", place.offset));
  }
  return {};
}

Result<> Checker::check_index() {
  const auto segments = TRY(vault_.store.list("index/"));
  for (const ObjectInfo& segment : segments) {
    Damage damage;
    TRY(note(check_segment(segment.name, damage), damage));
    report(damage);
  }
  return {};
}

Result<> Checker::check_segment(const std::string& name, Damage& damage) {
  IndexPageCache cache(1);
  const auto segment = TRY(IndexSegment::open(vault_.store, vault_.keys, cache, name));
  for (std::size_t i = 0; i < segment->page_count(); ++i) {
    if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
    const auto entries = TRY(segment->page(i));
    for (const IndexEntry& entry : entries) {
      // A pack that was collected, or that is reported already.
      if (!packs_.contains({entry.kind, entry.place.pack})) continue;
      TRY(note(check_place(entry.kind, entry.id, entry.place), damage));
    }
  }
  return {};
}

Result<> Checker::check_points() {
  const auto objects = TRY(vault_.store.list("points/"));
  for (const ObjectInfo& object : objects) {
    Damage damage;
    std::string title = object.name;
    ++report_.points;
    TRY(note(check_point(object.name, title, damage), damage));
    for (const std::string& what : damage) problems_[what].insert(title);
  }
  return {};
}

Result<> Checker::check_point(const std::string& name, std::string& title, Damage& damage) {
  auto object = vault_.store.get(name);
  if (!object.ok()) return missing_is_damaged(std::move(object).error(), name);
  const Bytes body = TRY(open_object(vault_.keys, ObjectKind::point, name, *object));
  const auto point = decode_point(body);
  if (!point.ok()) return damaged(name, point.error().message());
  title = point->id.str();
  for (const PointDisk& disk : point->disks) TRY(check_tree(disk.root, root_level, damage));
  return {};
}

Result<> Checker::check_tree(const Ref& ref, int level, Damage& damage) {
  if (ref.is_hole()) return {};
  if (stop_.stop_requested()) return error(ErrorCode::cancelled, "stopped");
  const auto seen = pages_.find({ref.id, ref.place});
  if (seen != pages_.end()) {
    damage.insert(damage.end(), seen->second.begin(), seen->second.end());
    return {};
  }
  ++report_.pages;
  Damage below;
  TRY(note(check_place(ObjectKind::tree, ref.id, ref.place), below));
  auto page = vault_.trees.load(ref, level);
  if (!page.ok()) TRY(note(page.error(), below));
  for (std::size_t i = 0; page.ok() && i < page_children; ++i) {
    const Ref& child = (*page)->children[i];
    if (level > 0) {
      TRY(check_tree(child, level - 1, below));
    } else if (!child.is_hole()) {
      ++report_.chunks;
      TRY(note(check_place(ObjectKind::data, child.id, child.place), below));
    }
  }
  std::ranges::sort(below);
  const auto repeated = std::ranges::unique(below);
  below.erase(repeated.begin(), repeated.end());
  damage.insert(damage.end(), below.begin(), below.end());
  pages_.emplace(std::pair(ref.id, ref.place), std::move(below));
  return {};
}

}  // namespace

Result<CheckReport> check_vault(const CheckedVault& vault, CheckLevel level, std::stop_token stop) {
  return Checker(vault, level, std::move(stop)).perform();
}

}  // namespace rekindle
