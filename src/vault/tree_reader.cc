#include "vault/tree_reader.h"

namespace rekindle {

namespace {
Error not_the_one(const Ref& ref) {
  return damaged(pack_object_name(ObjectKind::tree, ref.place.pack),
                 fmt::format("the tree page at byte {} is not the one that was asked for", ref.place.offset));
}
}  // namespace

Result<TreeReader::PagePointer> TreeReader::load(const Ref& ref, int level) {
  if (ref.is_hole()) return PagePointer();
  auto page = load_at(ref, level);
  if (page.ok() || finder_ == nullptr) return page;
  TRY(finder_->try_elsewhere(ObjectKind::tree, ref, page.error(), [&](const Place& place) -> Result<> {
    page = TRY(load_at({ref.id, place}, level));
    return {};
  }));
  return page;
}

Result<TreeReader::PagePointer> TreeReader::load_at(const Ref& ref, int level) {
  auto loaded = pages_.find(ref.place);
  if (!loaded) {
    const Bytes payload = TRY(packs_.frame(ObjectKind::tree, ref.place));
    const auto page = decode_page(payload);
    if (!page.ok()) return not_the_one(ref);
    loaded = pages_.insert(ref.place, std::make_shared<const Loaded>(Loaded{page_id(keys_, *page), *page}));
  }
  if (loaded->page.level != level || loaded->id != ref.id) return not_the_one(ref);
  return PagePointer(loaded, &loaded->page);
}

Result<Ref> TreeReader::child_at(const Ref& root, int level, std::uint64_t chunk) {
  Ref ref = root;
  for (int at = root_level; at >= level && !ref.is_hole(); --at) {
    const PagePointer page = TRY(load(ref, at));
    ref = page->children[chunk / chunks_per_child(at) % page_children];
  }
  return ref;
}

Result<TreeReader::PagePointer> TreeReader::leaf_at(const Ref& root, std::uint64_t chunk) {
  const Ref leaf = TRY(child_at(root, 1, chunk));
  return load(leaf, 0);
}

Result<> TreeReader::visit_data(const Ref& ref, int level, std::uint64_t first, std::uint64_t begin,
                                std::uint64_t end, const Visit& visit) {
  if (ref.is_hole()) return {};
  const PagePointer page = TRY(load(ref, level));
  const std::uint64_t step = chunks_per_child(level);
  for (std::size_t i = 0; i < page_children; ++i, first += step) {
    const Ref& child = page->children[i];
    if (child.is_hole() || first + step <= begin || first >= end) continue;
    if (level > 0) TRY(visit_data(child, level - 1, first, begin, end, visit));
    if (level == 0) TRY(visit(first, 1));
  }
  return {};
}

Result<Extents> TreeReader::data_extents(const Ref& root, Extent range) {
  Extents found;
  if (range.length == 0) return found;
  const auto visit = [&](std::uint64_t first, std::uint64_t chunks) -> Result<> {
    // In order: neighbours become one at once, or a full disk would need 16 bytes for each of its chunks.
    if (!found.empty() && found.back().end() == first * chunk_bytes) {
      found.back().length += chunks * chunk_bytes;
    } else {
      found.push_back({first * chunk_bytes, chunks * chunk_bytes});
    }
    return {};
  };
  TRY(visit_data(root, root_level, 0, range.offset / chunk_bytes, chunk_count(range.end()), visit));
  return intersect(normalize(std::move(found)), {range});
}

Result<> TreeReader::visit_differences(const Ref& a, const Ref& b, int level, std::uint64_t first,
                                       const Visit& visit) {
  if (a.id == b.id) return {};
  if (level < 0) return visit(first, 1);
  static const auto empty = std::make_shared<const TreePage>();
  PagePointer page_a = TRY(load(a, level));
  PagePointer page_b = TRY(load(b, level));
  if (!page_a) page_a = empty;
  if (!page_b) page_b = empty;
  const std::uint64_t step = chunks_per_child(level);
  for (std::size_t i = 0; i < page_children; ++i) {
    TRY(visit_differences(page_a->children[i], page_b->children[i], level - 1, first + i * step, visit));
  }
  return {};
}

Result<Extents> TreeReader::differences(const Ref& a, const Ref& b) {
  Extents found;
  const auto visit = [&](std::uint64_t first, std::uint64_t chunks) -> Result<> {
    found.push_back({first * chunk_bytes, chunks * chunk_bytes});
    return {};
  };
  TRY(visit_differences(a, b, root_level, 0, visit));
  return normalize(std::move(found));
}

}  // namespace rekindle
