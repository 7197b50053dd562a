// Sets of byte ranges of a disk.
#pragma once

#include <cstdint>
#include <vector>

namespace rekindle::sandbox {

struct Area {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  friend bool operator==(const Area&, const Area&) = default;
};
// Ascending, disjoint, not touching one another, none empty.
using Areas = std::vector<Area>;

// Any ranges, in any order, as a set.
Areas merged(std::vector<Area> ranges);
Areas united(const Areas& a, const Areas& b);

// A part of an answer that is given in pieces: what is set in [start, start + length).
struct AreaPage {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  Areas areas;
};
// The piece that begins at `start` and holds at most `limit` areas (at least 1); it reaches to `end` when all
// the rest fits, else to the end of its last area.
AreaPage page_of(const Areas& areas, std::uint64_t start, std::uint64_t end, std::size_t limit);

}  // namespace rekindle::sandbox
