#include "vault/index_merge.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <tuple>

#include "base/log.h"
#include "vault/index_segment_writer.h"

namespace rekindle {

namespace {

constexpr std::size_t merged_at_once = 8;
// Eight as a first backup puts them: a vault of 16 TiB then has 70 segments. Not more: the object is in
// memory while it is made, and every segment is small enough for one put.
constexpr std::uint64_t most_entries = (std::uint64_t{1} << 22) + (std::uint64_t{1} << 16);

bool is_larger(const IndexSegment& a, const IndexSegment& b) {
  return std::tuple(a.entry_count(), a.name()) > std::tuple(b.entry_count(), b.name());
}

// Goes through the entries of packs that are there, page by page. A segment that names a pack has all of the
// pack's entries, and so has the union of several.
class Cursor {
 public:
  Cursor(const IndexSegment& segment, const PackNames& packs) : segment_(&segment), packs_(&packs) {}

  const IndexSegment& segment() const { return *segment_; }
  const IndexEntry& entry() const { return page_[at_]; }
  // To the first or next one; false: there is none.
  Result<bool> next() {
    ++at_;
    for (;; ++at_) {
      while (at_ >= page_.size()) {
        if (next_page_ == segment_->page_count()) return false;
        page_ = TRY(segment_->page(next_page_));
        ++next_page_;
        at_ = 0;
      }
      if (packs_->contains(entry().place.pack)) return true;
    }
  }

 private:
  const IndexSegment* segment_;
  const PackNames* packs_;
  std::vector<IndexEntry> page_;
  std::size_t next_page_ = 0;
  std::size_t at_ = SIZE_MAX;  // next() makes it 0
};

bool comes_later(const Cursor& a, const Cursor& b) {
  return std::tie(a.entry().id, a.entry().place) > std::tie(b.entry().id, b.entry().place);
}

using SegmentPointers = std::vector<const IndexSegment*>;

// As many of a tier as fit into one.
SegmentPointers take_what_fits(const SegmentPointers& tier, std::uint64_t& entries) {
  SegmentPointers taken;
  for (const IndexSegment* segment : tier) {
    if (entries + segment->entry_count() > most_entries) break;
    entries += segment->entry_count();
    taken.push_back(segment);
  }
  return taken;
}

// Of the segment whose page cannot be read, if that is why.
struct MergeFailure {
  Error error;
  const IndexSegment* segment;
};

// Moves one on; it leaves the heap at its end.
std::optional<MergeFailure> advance(Cursor cursor, std::vector<Cursor>& heap) {
  const Result<bool> more = cursor.next();
  if (!more.ok()) return MergeFailure{more.error(), &cursor.segment()};
  if (!*more) return std::nullopt;
  heap.push_back(std::move(cursor));
  std::ranges::push_heap(heap, comes_later);
  return std::nullopt;
}

// One page of each is in memory.
std::optional<MergeFailure> merge_into(IndexSegmentWriter& writer, const SegmentPointers& segments,
                                       const PackNames& packs) {
  std::vector<Cursor> heap;
  for (const IndexSegment* segment : segments) {
    if (auto failed = advance(Cursor(*segment, packs), heap)) return failed;
  }
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, comes_later);
    Cursor first = std::move(heap.back());
    heap.pop_back();
    writer.add(first.entry());
    if (auto failed = advance(std::move(first), heap)) return failed;
  }
  return std::nullopt;
}

// How many of the tier were merged: 0 if there is nothing to do. A damaged one is left as it is.
Result<std::uint64_t> merge_tier(const MergedIndex& index, SegmentPointers tier) {
  for (;;) {
    std::uint64_t entries = 0;
    const SegmentPointers taken = take_what_fits(tier, entries);
    if (taken.size() < 2) return std::uint64_t{0};
    IndexSegmentWriter writer(index.store, index.keys, index.random, entries);
    const auto failed = merge_into(writer, taken, index.packs);
    if (!failed && writer.entry_count() == 0) return std::uint64_t{0};
    if (!failed) {
      TRY(writer.put());
      return taken.size();
    }
    if (failed->error.code() != ErrorCode::corrupt) return failed->error;
    log::warn("left as it is: {}", failed->error.message());
    std::erase(tier, failed->segment);
  }
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
  std::map<std::uint64_t, SegmentPointers> tiers;  // each four times as large as the one before
  for (const auto& segment : segments) {
    if (segment->entry_count() < most_entries / 2) {
      tiers[static_cast<std::uint64_t>(std::bit_width(segment->entry_count())) / 2].push_back(segment.get());
    }
  }
  std::uint64_t merged = 0;
  for (const auto& [size, tier] : tiers) {
    if (tier.size() < merged_at_once) continue;
    const std::uint64_t taken = TRY(merge_tier(index, tier));
    merged += taken;
  }
  return merged;
}

}  // namespace rekindle
