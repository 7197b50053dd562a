#include "vault/index.h"

#include <mutex>

#include "base/log.h"

namespace rekindle {

namespace {

struct ListedPacks {
  std::vector<std::pair<ObjectKind, PackName>> all;
  PackNames names;
};

Result<ListedPacks> list_packs(ObjectStore& store) {
  ListedPacks packs;
  for (const char* prefix : {"data/", "tree/"}) {
    const auto listed = TRY(store.list(prefix));
    for (const ObjectInfo& object : listed) {
      ObjectKind kind{};
      PackName name{};
      if (!parse_pack_object_name(object.name, kind, name)) continue;
      packs.all.emplace_back(kind, name);
      packs.names.insert(name);
    }
  }
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
  const ListedPacks packs = TRY(list_packs(store_), "listing the vault's packs");
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
    segment->keep_alive_only(packs.names);
    for (const auto& pack : segment->packs()) indexed.insert(pack.name);
    segments.emplace(object.name, segment);
  }
  segments_ = std::move(segments);
  orphans_.clear();
  for (const auto& [kind, pack] : packs.all) {
    if (indexed.contains(pack)) continue;
    Result<> adopted = adopt(kind, pack);
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
  for (const auto& [name, segment] : segments_) {
    auto found = segment->find(id);
    // A page that does not open is as good as no page: the content is stored again.
    if (!found.ok()) TRY(leave_out(found.error()));
    if (found.ok() && found->has_value()) return found;
  }
  return std::optional<IndexEntry>();
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
