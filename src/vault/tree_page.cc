#include "vault/tree_page.h"

#include <algorithm>
#include <vector>

#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr std::size_t bitmap_bytes = page_children / 8;
using Bitmap = std::array<std::byte, bitmap_bytes>;

Bitmap bitmap_of(const TreePage& page) {
  Bitmap bitmap{};
  for (std::size_t i = 0; i < page_children; ++i) {
    if (!page.children[i].is_hole()) bitmap[i / 8] |= static_cast<std::byte>(1U << (i % 8));
  }
  return bitmap;
}

bool has(const Bitmap& bitmap, std::size_t i) {
  return (std::to_integer<unsigned>(bitmap[i / 8]) >> (i % 8) & 1U) != 0;
}

// The packs of the children, each once, and for each child which one.
struct PackColumn {
  std::vector<PackName> names;
  std::vector<std::uint8_t> numbers;
};

PackColumn packs_of(const std::vector<const Ref*>& present) {
  PackColumn column;
  for (const Ref* ref : present) {
    auto found = std::ranges::find(column.names, ref->place.pack);
    if (found == column.names.end()) found = column.names.insert(found, ref->place.pack);
    column.numbers.push_back(static_cast<std::uint8_t>(found - column.names.begin()));
  }
  return column;
}

}  // namespace

bool is_empty(const TreePage& page) {
  return std::ranges::all_of(page.children, [](const Ref& child) { return child.is_hole(); });
}

ContentId page_id(const VaultKeys& keys, const TreePage& page) {
  WireWriter out;
  out.number(page.level);
  out.bytes(bitmap_of(page));
  for (const Ref& child : page.children) {
    if (!child.is_hole()) out.bytes(child.id);
  }
  return keys.page_id(out.take());
}

Bytes encode_page(const TreePage& page) {
  std::vector<const Ref*> present;
  for (const Ref& child : page.children) {
    if (!child.is_hole()) present.push_back(&child);
  }
  const PackColumn packs = packs_of(present);
  WireWriter out;
  out.number(page.level);
  out.number(std::uint8_t{0});
  out.number(static_cast<std::uint16_t>(packs.names.size()));
  out.bytes(bitmap_of(page));
  for (const Ref* ref : present) out.bytes(ref->id);
  for (const std::uint8_t number : packs.numbers) out.number(number);
  for (const Ref* ref : present) out.number(ref->place.offset);
  for (const Ref* ref : present) out.number(ref->place.length);
  for (const Ref* ref : present) out.number(ref->place.slot);
  for (const PackName& name : packs.names) out.bytes(name);
  return out.take();
}

Result<TreePage> decode_page(ByteView bytes) {
  WireReader in(bytes);
  TreePage page;
  page.level = in.number<std::uint8_t>();
  in.number<std::uint8_t>();
  std::vector<PackName> packs(std::min<std::size_t>(in.number<std::uint16_t>(), page_children));
  const auto bitmap = in.array<bitmap_bytes>();
  std::vector<Ref*> present;
  for (std::size_t i = 0; i < page_children; ++i) {
    if (has(bitmap, i)) present.push_back(&page.children[i]);
  }
  for (Ref* ref : present) ref->id = in.array<32>();
  const ByteView numbers = in.bytes(present.size());
  for (Ref* ref : present) ref->place.offset = in.number<std::uint32_t>();
  for (Ref* ref : present) ref->place.length = in.number<std::uint32_t>();
  for (Ref* ref : present) ref->place.slot = in.number<std::uint8_t>();
  for (PackName& pack : packs) pack = in.array<16>();
  bool sound = in.complete() && page.level <= root_level;
  for (std::size_t i = 0; sound && i < present.size(); ++i) {
    const auto number = std::to_integer<std::size_t>(numbers[i]);
    sound = number < packs.size() && !present[i]->is_hole();
    if (sound) present[i]->place.pack = packs[number];
  }
  if (!sound) return error(ErrorCode::corrupt, "a page of a tree does not parse");
  return page;
}

}  // namespace rekindle
