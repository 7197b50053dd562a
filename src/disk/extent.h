// Ranges of a disk, in bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace rekindle {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  std::uint64_t end() const { return offset + length; }
  friend auto operator<=>(const Extent&, const Extent&) = default;
};

// Ascending, not overlapping, not touching, none empty.
using Extents = std::vector<Extent>;

// Sorts, merges what overlaps or touches, drops what is empty.
Extents normalize(std::vector<Extent> extents);

// Grown outwards to multiples of `alignment`, cut at `size`, merged.
Extents align(const Extents& extents, std::uint64_t alignment, std::uint64_t size);

Extents unite(const Extents& a, const Extents& b);
Extents intersect(const Extents& a, const Extents& b);
// What of `a` is not in `b`.
Extents subtract(const Extents& a, const Extents& b);

std::uint64_t total_length(const Extents& extents);

}  // namespace rekindle
