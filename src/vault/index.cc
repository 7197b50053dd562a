#include "vault/index.h"

#include <mutex>

#include "base/log.h"

namespace rekindle {

namespace {

// The packs that may be used. Marks before packs: a pack's doom is removed only after the pack.
Result<std::vector<ListedPack>> list_usable(ObjectStore& store, IndexUse use) {
  PackMarks unusable;
  if (use == IndexUse::writing) {
    unusable = TRY(list_marks(store, PackMark::doomed));
    unusable.merge(TRY(list_marks(store, PackMark::damaged)));
  }
  auto packs = TRY(list_packs(store));
  std::erase_if(packs, [&](const ListedPack& pack) { return unusable.contains(pack.name); });
  return packs;
}

// What is damaged or gone is left out of the index; with other errors the index is not known at all.
Result<> leave_out(const Error& cause) {
  if (cause.code() != ErrorCode::corrupt && cause.code() != ErrorCode::not_found) return cause;
  log::warn("left out of the vault's index: {}", cause.message());
  return {};
}

}  // namespace

Result<> Index::refresh() {
  // Segments first: a pack that a listed segment names was durable before it.
  const auto listed = TRY(store_.list("index/"), "listing the vault's index");
  const auto packs = TRY(list_usable(store_, use_));
  PackNames usable;
  for (const ListedPack& pack : packs) usable.insert(pack.name);
  const std::unique_lock lock(mutex_);
  std::unordered_map<std::string, std::shared_ptr<IndexSegment>> segments;
  PackNames indexed;
  for (const ObjectInfo& object : listed) {
    auto known = segments_.find(object.name);
    std::shared_ptr<IndexSegment> segment = known != segments_.end() ? known->second : nullptr;
    if (!segment) {
      auto opened = IndexSegment::open(store_, keys_, pages_, object.name);
      if (!opened.ok()) {
        TRY(leave_out(opened.error()));
        continue;
      }
      segment = *opened;
    }
    segment->keep_alive_only(usable);
    for (const auto& pack : segment->packs()) indexed.insert(pack.name);
    segments.emplace(object.name, segment);
  }
  segments_ = std::move(segments);
  orphans_.clear();
  for (const ListedPack& pack : packs) {
    if (indexed.contains(pack.name)) continue;
    Result<> adopted = adopt(pack.kind, pack.name);
    if (!adopted.ok()) TRY(leave_out(adopted.error()));
  }
  return {};
}

Result<> Index::adopt(ObjectKind kind, const PackName& pack) {
  const auto frames = TRY(packs_.directory(kind, pack));
  for (const PackFrame& frame : frames) {
    for (std::size_t slot = 0; slot < frame.ids.size(); ++slot) {
      const Place place{pack, frame.offset, frame.length, static_cast<std::uint8_t>(slot)};
      orphans_.emplace(frame.ids[slot], IndexEntry{frame.ids[slot], kind, place});
    }
  }
  return {};
}

Result<std::optional<IndexEntry>> Index::find(const ContentId& id) {
  const std::shared_lock lock(mutex_);
  const auto orphan = orphans_.find(id);
  if (orphan != orphans_.end()) return std::optional(orphan->second);
  for (const auto& [name, segment] : segments_) segment->prefetch(id);
  for (const auto& [name, segment] : segments_) {
    auto found = segment->find(id);
    // A page that does not open is as good as no page: the content is stored again.
    if (!found.ok()) TRY(leave_out(found.error()));
    if (found.ok() && found->has_value()) return found;
  }
  return std::optional<IndexEntry>();
}

Result<std::vector<IndexEntry>> Index::find_all(const ContentId& id) {
  const std::shared_lock lock(mutex_);
  std::vector<IndexEntry> all;
  const auto [first, last] = orphans_.equal_range(id);
  for (auto it = first; it != last; ++it) all.push_back(it->second);
  for (const auto& [name, segment] : segments_) {
    auto found = segment->find_all(id);
    if (!found.ok()) {
      complete_ = false;
      TRY(leave_out(found.error()));
    }
    if (found.ok()) all.insert(all.end(), found->begin(), found->end());
  }
  return all;
}

std::vector<std::shared_ptr<const IndexSegment>> Index::segments() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const IndexSegment>> all;
  for (const auto& [name, segment] : segments_) all.push_back(segment);
  return all;
}

Result<> Index::add_segment(const std::string& name) {
  auto segment = TRY(IndexSegment::open(store_, keys_, pages_, name));
  const std::unique_lock lock(mutex_);
  segments_.emplace(name, std::move(segment));
  return {};
}

std::vector<IndexEntry> Index::orphans() const {
  const std::shared_lock lock(mutex_);
  std::vector<IndexEntry> entries;
  for (const auto& [id, entry] : orphans_) entries.push_back(entry);
  return entries;
}

}  // namespace rekindle
