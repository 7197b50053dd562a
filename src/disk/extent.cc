#include "disk/extent.h"

#include <algorithm>

#include "base/check.h"

namespace rekindle {

Extents normalize(std::vector<Extent> extents) {
  std::erase_if(extents, [](const Extent& extent) { return extent.length == 0; });
  std::sort(extents.begin(), extents.end());
  Extents merged;
  for (const Extent& extent : extents) {
    if (!merged.empty() && extent.offset <= merged.back().end()) {
      merged.back().length = std::max(merged.back().end(), extent.end()) - merged.back().offset;
    } else {
      merged.push_back(extent);
    }
  }
  return merged;
}

Extents align(const Extents& extents, std::uint64_t alignment, std::uint64_t size) {
  CHECK(alignment > 0);
  std::vector<Extent> grown;
  for (const Extent& extent : extents) {
    if (extent.offset >= size) continue;
    const std::uint64_t start = extent.offset / alignment * alignment;
    const std::uint64_t end = std::min((extent.end() + alignment - 1) / alignment * alignment, size);
    grown.push_back({start, end - start});
  }
  return normalize(std::move(grown));
}

Extents unite(const Extents& a, const Extents& b) {
  std::vector<Extent> all = a;
  all.insert(all.end(), b.begin(), b.end());
  return normalize(std::move(all));
}

Extents intersect(const Extents& a, const Extents& b) {
  std::vector<Extent> both;
  for (std::size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    const std::uint64_t start = std::max(a[i].offset, b[k].offset);
    const std::uint64_t end = std::min(a[i].end(), b[k].end());
    if (start < end) both.push_back({start, end - start});
    a[i].end() < b[k].end() ? ++i : ++k;
  }
  return normalize(std::move(both));
}

Extents subtract(const Extents& a, const Extents& b) {
  Extents left;
  std::size_t k = 0;
  for (const Extent& extent : a) {
    std::uint64_t from = extent.offset;
    while (k < b.size() && b[k].end() <= from) ++k;
    for (std::size_t i = k; i < b.size() && b[i].offset < extent.end(); ++i) {
      if (b[i].offset > from) left.push_back({from, b[i].offset - from});
      from = std::max(from, b[i].end());
    }
    if (from < extent.end()) left.push_back({from, extent.end() - from});
  }
  return left;
}

std::uint64_t total_length(const Extents& extents) {
  std::uint64_t total = 0;
  for (const Extent& extent : extents) total += extent.length;
  return total;
}

}  // namespace rekindle
