#include "vault/index_segment_writer.h"

#include <tuple>

#include "base/check.h"
#include "vault/wire.h"

namespace rekindle {

namespace {

auto order_of(const IndexEntry& entry) {
  return std::tie(entry.id, entry.place);
}

}  // namespace

IndexSegmentWriter::IndexSegmentWriter(ObjectStore& store, const VaultKeys& keys, Random& random,
                                       std::uint64_t most_entries)
    : store_(store),
      cipher_(ObjectCipher::make(keys, ObjectKind::index, "index/" + random.hex(16), random)),
      filter_(most_entries) {
  // At once: growing a vector of this size would hold it three times.
  object_.reserve(header_bytes + most_entries * (index_entry_bytes + 3) + 4 * kib);
  append(cipher_.header());
}

std::uint32_t IndexSegmentWriter::pack_number(const IndexEntry& entry) {
  const auto next = static_cast<std::uint32_t>(packs_.size());
  const auto [found, added] = pack_numbers_.emplace(entry.place.pack, next);
  if (added) packs_.emplace_back(entry.place.pack, entry.kind);
  return found->second;
}

void IndexSegmentWriter::add(const IndexEntry& entry) {
  if (entry_count_ > 0) {
    if (order_of(entry) == order_of(last_)) return;
    CHECK(order_of(last_) < order_of(entry));
  }
  last_ = entry;
  if (page_.empty()) fences_.insert(fences_.end(), entry.id.begin(), entry.id.begin() + 8);
  filter_.add(entry.id);
  const std::size_t at = page_.size();
  page_.resize(at + index_entry_bytes);  // the rest stays zero
  std::byte* out = std::ranges::copy(entry.id, page_.data() + at).out;
  store_le(out, pack_number(entry));
  store_le(out + 4, entry.place.offset);
  store_le(out + 8, entry.place.length);
  store_le(out + 12, entry.place.slot);
  ++entry_count_;
  if (entry_count_ % index_page_entries == 0) seal_page();
}

void IndexSegmentWriter::seal_page() {
  if (page_.empty()) return;
  const std::uint64_t offset = object_.size();
  object_.resize(offset + page_.size() + aead_tag_bytes);
  cipher_.seal(Section::index_page, offset, page_, ByteSpan(object_).subspan(offset));
  page_.clear();
}

Bytes IndexSegmentWriter::encode_footer() const {
  WireWriter footer;
  footer.number(entry_count_);
  footer.number(static_cast<std::uint32_t>(packs_.size()));
  for (const auto& [name, kind] : packs_) {
    footer.bytes(name);
    footer.number(static_cast<std::uint8_t>(kind));
  }
  footer.number(static_cast<std::uint32_t>(fences_.size() / 8));
  footer.bytes(fences_);
  footer.number(filter_.probes());
  footer.number(static_cast<std::uint64_t>(filter_.bits().size()));
  footer.bytes(filter_.bits());
  return footer.take();
}

Result<PutSegment> IndexSegmentWriter::put() {
  seal_page();
  const std::uint64_t offset = object_.size();
  const Bytes footer = cipher_.sealed(Section::index_footer, 0, encode_footer());
  WireWriter trailer;
  trailer.number(offset);
  trailer.number(static_cast<std::uint64_t>(footer.size()));
  trailer.bytes(as_bytes("RKINDEXD"));
  append(footer);
  append(trailer.take());
  TRY(store_.put(cipher_.name(), object_));
  return PutSegment{cipher_.name(), object_.size()};
}

Result<PutSegment> put_index_segment(ObjectStore& store, const VaultKeys& keys, Random& random,
                                     std::vector<IndexEntry> entries) {
  std::ranges::sort(entries, {}, order_of);
  IndexSegmentWriter writer(store, keys, random, entries.size());
  for (const IndexEntry& entry : entries) writer.add(entry);
  return writer.put();
}

}  // namespace rekindle
