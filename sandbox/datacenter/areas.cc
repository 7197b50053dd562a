#include "sandbox/datacenter/areas.h"

#include <algorithm>

namespace rekindle::sandbox {

Areas merged(std::vector<Area> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Area& a, const Area& b) { return a.start < b.start; });
  Areas result;
  for (const Area& range : ranges) {
    if (range.length == 0) continue;
    if (!result.empty() && result.back().start + result.back().length >= range.start) {
      Area& last = result.back();
      last.length = std::max(last.start + last.length, range.start + range.length) - last.start;
    } else {
      result.push_back(range);
    }
  }
  return result;
}

Areas united(const Areas& a, const Areas& b) {
  std::vector<Area> all = a;
  all.insert(all.end(), b.begin(), b.end());
  return merged(std::move(all));
}

AreaPage page_of(const Areas& areas, std::uint64_t start, std::uint64_t end, std::size_t limit) {
  AreaPage page{start, end - start, {}};
  for (const Area& area : areas) {
    const std::uint64_t from = std::max(area.start, start);
    const std::uint64_t to = std::min(area.start + area.length, end);
    if (from >= to) continue;
    if (page.areas.size() == std::max<std::size_t>(limit, 1)) {
      page.length = page.areas.back().start + page.areas.back().length - start;
      return page;
    }
    page.areas.push_back({from, to - from});
  }
  return page;
}

}  // namespace rekindle::sandbox
