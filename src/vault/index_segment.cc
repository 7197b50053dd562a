#include "vault/index_segment.h"

#include <algorithm>

#include "vault/pack_reader.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

constexpr std::size_t trailer_bytes = 24;
constexpr std::size_t full_page_bytes = index_page_entries * index_entry_bytes + aead_tag_bytes;

std::uint64_t fence_of(const std::byte* id) {
  return load_be<std::uint64_t>(id);
}

}  // namespace

Result<std::shared_ptr<IndexSegment>> IndexSegment::open(ObjectStore& store, const VaultKeys& keys,
                                                         IndexPageCache& cache, const std::string& name) {
  const std::uint64_t size = TRY(store.size(name));
  if (size < header_bytes + trailer_bytes) return damaged(name, "it is too short");
  Bytes header(header_bytes);
  TRY(store.read_at(name, 0, header));
  auto cipher = TRY(ObjectCipher::from_header(keys, ObjectKind::index, name, header));
  Bytes trailer(trailer_bytes);
  TRY(store.read_at(name, size - trailer_bytes, trailer));
  WireReader in(trailer);
  const auto offset = in.number<std::uint64_t>();
  const auto length = in.number<std::uint64_t>();
  const bool ends_well = as_text(in.bytes(8)) == "RKINDEXD";
  // The trailer is not authenticated: nothing may be allocated by it that the object does not have.
  const std::uint64_t before_trailer = size - trailer_bytes;
  if (!ends_well || offset < header_bytes || offset > before_trailer || length != before_trailer - offset) {
    return damaged(name, "its end is not that of an index segment");
  }
  Bytes sealed(length);
  TRY(store.read_at(name, offset, sealed));
  const Bytes footer = TRY(cipher.open(Section::index_footer, 0, sealed));
  std::shared_ptr<IndexSegment> segment(new IndexSegment(store, cache, std::move(cipher)));
  TRY(segment->parse_footer(footer, offset));
  return segment;
}

Result<> IndexSegment::parse_footer(ByteView footer, std::uint64_t footer_offset) {
  WireReader in(footer);
  entry_count_ = in.number<std::uint64_t>();
  const auto pack_count = in.number<std::uint32_t>();
  if (in.fits(pack_count, 17)) packs_.resize(pack_count);
  for (Pack& pack : packs_) {
    pack.name = in.array<16>();
    pack.kind = static_cast<ObjectKind>(in.number<std::uint8_t>());
    if (pack.kind != ObjectKind::data && pack.kind != ObjectKind::tree) {
      return damaged(name(), "its packs do not parse");
    }
  }
  const auto fence_count = in.number<std::uint32_t>();
  if (in.fits(fence_count, 8)) fences_.resize(fence_count);
  for (std::uint64_t& fence : fences_) fence = fence_of(in.array<8>().data());
  const auto probes = in.number<std::uint32_t>();
  const ByteView bits = in.bytes(in.number<std::uint64_t>());
  filter_ = BloomFilter(probes, to_bytes(bits));
  const std::uint64_t pages =
      entry_count_ / index_page_entries + (entry_count_ % index_page_entries != 0 ? 1 : 0);
  if (!in.complete() || bits.empty() || probes > 32 || pages != fences_.size() ||
      footer_offset != header_bytes + entry_count_ * index_entry_bytes + pages * aead_tag_bytes) {
    return damaged(name(), "its footer does not parse");
  }
  return {};
}

void IndexSegment::keep_alive_only(const PackNames& present) {
  for (Pack& pack : packs_) pack.alive = present.contains(pack.name);
}

Result<IndexEntry> IndexSegment::parse_entry(ByteView bytes) const {
  WireReader in(bytes);
  IndexEntry entry;
  entry.id = in.array<32>();
  const auto pack = in.number<std::uint32_t>();
  if (pack >= packs_.size()) return damaged(name(), "an entry names a pack that it does not list");
  entry.kind = packs_[pack].kind;
  entry.place.pack = packs_[pack].name;
  entry.place.offset = in.number<std::uint32_t>();
  entry.place.length = in.number<std::uint32_t>();
  entry.place.slot = in.number<std::uint8_t>();
  return entry;
}

Result<std::shared_ptr<const IndexPage>> IndexSegment::load_page(std::size_t number) const {
  const std::string key = fmt::format("{}#{}", name(), number);
  if (auto known = cache_.find(key)) return known;
  const std::uint64_t offset = header_bytes + number * full_page_bytes;
  const std::uint64_t count =
      std::min<std::uint64_t>(index_page_entries, entry_count_ - number * index_page_entries);
  Bytes sealed(count * index_entry_bytes + aead_tag_bytes);
  Result<> read = store_.read_at(name(), offset, sealed);
  if (!read.ok()) return missing_is_damaged(std::move(read).error(), name());
  auto page = TRY(cipher_.open(Section::index_page, offset, sealed));
  return cache_.insert(key, std::make_shared<const IndexPage>(std::move(page)));
}

Result<std::vector<IndexEntry>> IndexSegment::page(std::size_t number) const {
  const auto bytes = TRY(load_page(number));
  std::vector<IndexEntry> entries;
  for (std::size_t at = 0; at < bytes->size(); at += index_entry_bytes) {
    const IndexEntry entry = TRY(parse_entry(ByteView(*bytes).subspan(at, index_entry_bytes)));
    entries.push_back(entry);
  }
  return entries;
}

Result<> IndexSegment::visit(const ContentId& id, const Visit& visit) const {
  if (!filter_.may_have(id)) return {};
  // Fences are cut to 8 bytes, so pages that begin with equal ones may all hold it: begin before the first of
  // them.
  const std::uint64_t fence = fence_of(id.data());
  const auto after = std::ranges::upper_bound(fences_, fence);
  auto first = std::ranges::lower_bound(fences_, fence);
  if (first != fences_.begin()) --first;
  for (auto it = first; it != after; ++it) {
    const auto page = TRY(load_page(static_cast<std::size_t>(it - fences_.begin())));
    const auto id_at = [&](std::size_t number) { return page->data() + number * index_entry_bytes; };
    const std::size_t count = page->size() / index_entry_bytes;
    std::size_t low = 0;
    for (std::size_t high = count; low < high;) {
      const std::size_t middle = (low + high) / 2;
      std::memcmp(id_at(middle), id.data(), id.size()) < 0 ? low = middle + 1 : high = middle;
    }
    for (; low < count && std::memcmp(id_at(low), id.data(), id.size()) == 0; ++low) {
      const IndexEntry entry = TRY(parse_entry(ByteView(id_at(low), index_entry_bytes)));
      const auto pack = load_le<std::uint32_t>(id_at(low) + id.size());
      if (packs_[pack].alive && !visit(entry)) return {};
    }
  }
  return {};
}

Result<std::optional<IndexEntry>> IndexSegment::find(const ContentId& id) const {
  std::optional<IndexEntry> found;
  TRY(visit(id, [&](const IndexEntry& entry) {
    found = entry;
    return false;
  }));
  return found;
}

Result<std::vector<IndexEntry>> IndexSegment::find_all(const ContentId& id) const {
  std::vector<IndexEntry> found;
  TRY(visit(id, [&](const IndexEntry& entry) {
    found.push_back(entry);
    return true;
  }));
  return found;
}

}  // namespace rekindle
