#include "vault/index_merge.h"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include "base/log.h"

namespace rekindle {

namespace {

constexpr std::size_t merged_at_once = 8;
constexpr std::uint64_t most_entries = std::uint64_t{1} << 21;

bool is_larger(const IndexSegment& a, const IndexSegment& b) {
  return std::tuple(a.entry_count(), a.name()) > std::tuple(b.entry_count(), b.name());
}

// All entries of packs that are there. A segment that names a pack has all of the pack's entries, and so has
// their union.
Result<> read_entries(const IndexSegment& segment, const PackNames& packs, std::vector<IndexEntry>& entries) {
  for (std::size_t i = 0; i < segment.page_count(); ++i) {
    const auto page = TRY(segment.page(i));
    for (const IndexEntry& entry : page) {
      if (packs.contains(entry.place.pack)) entries.push_back(entry);
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> superseded_segments(const Segments& segments, const PackNames& packs,
                                             const std::unordered_map<std::string, Time>& put_at,
                                             Time limit) {
  std::unordered_map<PackName, const IndexSegment*, UniformHash> largest;
  for (const auto& segment : segments) {
    const auto put = put_at.find(segment->name());
    if (put == put_at.end() || put->second > limit) continue;
    for (const auto& pack : segment->packs()) {
      const IndexSegment*& known = largest[pack.name];
      if (known == nullptr || is_larger(*segment, *known)) known = segment.get();
    }
  }
  std::vector<std::string> superseded;
  for (const auto& segment : segments) {
    const bool needless = std::ranges::all_of(segment->packs(), [&](const IndexSegment::Pack& pack) {
      if (!packs.contains(pack.name)) return true;
      const auto found = largest.find(pack.name);
      return found != largest.end() && is_larger(*found->second, *segment);
    });
    if (needless) superseded.push_back(segment->name());
  }
  return superseded;
}

Result<std::uint64_t> merge_segments(const MergedIndex& index, const Segments& segments) {
  std::map<std::uint64_t, std::vector<const IndexSegment*>>
      tiers;  // each four times as large as the one before
  for (const auto& segment : segments) {
    if (segment->entry_count() < most_entries / 2) {
      tiers[static_cast<std::uint64_t>(std::bit_width(segment->entry_count())) / 2].push_back(segment.get());
    }
  }
  std::uint64_t merged = 0;
  for (const auto& [size, tier] : tiers) {
    if (tier.size() < merged_at_once) continue;
    std::vector<IndexEntry> entries;
    std::uint64_t taken = 0;
    for (const IndexSegment* segment : tier) {
      if (entries.size() + segment->entry_count() > most_entries) break;
      const std::size_t before = entries.size();
      const Result<> read = read_entries(*segment, index.packs, entries);
      if (read.ok()) ++taken;
      if (read.ok()) continue;
      if (read.error().code() != ErrorCode::corrupt) return read.error();
      log::warn("left as it is: {}", read.error().message());
      entries.resize(before);
    }
    if (taken < 2 || entries.empty()) continue;
    TRY(put_index_segment(index.store, index.keys, index.random, std::move(entries)));
    merged += taken;
  }
  return merged;
}

}  // namespace rekindle
