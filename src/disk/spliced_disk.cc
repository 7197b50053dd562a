#include "disk/spliced_disk.h"

namespace rekindle {

SplicedDisk::SplicedDisk(std::unique_ptr<BlockSource> base, std::unique_ptr<BlockSource> other,
                         const Extents& areas)
    : base_(std::move(base)), other_(std::move(other)), areas_(intersect(areas, {{0, base_->size()}})) {}

Result<> SplicedDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  const Extents wanted = {{offset, bytes.size()}};
  const auto read = [&](BlockSource& disk, const Extents& parts) -> Result<> {
    for (const Extent& part : parts) {
      const std::size_t at = static_cast<std::size_t>(part.offset - offset);
      TRY(disk.read_at(part.offset, bytes.subspan(at, static_cast<std::size_t>(part.length))));
    }
    return {};
  };
  const Extents changed = intersect(areas_, wanted);
  TRY(read(*other_, changed));
  bytes_of_other_ += total_length(changed);
  return read(*base_, subtract(wanted, changed));
}

Result<Extents> SplicedDisk::data_extents(Extent range) {
  const Extents changed = intersect(areas_, {range});
  Extents data;
  for (const Extent& part : subtract({range}, changed)) data = unite(data, TRY(base_->data_extents(part)));
  for (const Extent& part : changed) data = unite(data, TRY(other_->data_extents(part)));
  return data;
}

}  // namespace rekindle
