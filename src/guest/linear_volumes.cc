#include "guest/linear_volumes.h"

#include <algorithm>
#include <array>

#include "guest/lvm_text.h"

namespace rekindle {

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t most_metadata_bytes = 16 * mib;
constexpr std::string_view area_magic = "\x20LVM2\x20x[5A%r0N*>";

// CRC-32 with LVM's own start value and no final inversion.
std::uint32_t lvm_crc(ByteView bytes) {
  std::uint32_t crc = 0xf597a6cf;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return crc;
}

struct Label {
  std::string uuid;  // 32 characters, without dashes
  Extent metadata_area;
};

// Two lists of (offset, size), each ended by zeros: data areas, then metadata areas.
Result<Label> read_label(BlockSource& volume) {
  constexpr std::uint64_t label_sectors = 4;
  Bytes head(label_sectors * sector_bytes);
  if (volume.size() < head.size()) return error(ErrorCode::corrupt, "the physical volume is too small");
  TRY(volume.read_at(0, head));
  std::size_t label = 0;
  while (label < head.size() && as_text(ByteView(head).subspan(label, 8)) != "LABELONE")
    label += sector_bytes;
  if (label == head.size()) return error(ErrorCode::corrupt, "there is no LVM label");
  const ByteView sector = ByteView(head).subspan(label, sector_bytes);
  std::size_t at = load_le<std::uint32_t>(&sector[20]);
  if (at < 32 || at + 40 > sector_bytes) return error(ErrorCode::corrupt, "the LVM label is damaged");
  Label found{std::string(as_text(sector.subspan(at, 32))), {}};
  at += 40;
  for (int lists_ended = 0; at + 16 <= sector_bytes; at += 16) {
    const Extent area{load_le<std::uint64_t>(&sector[at]), load_le<std::uint64_t>(&sector[at + 8])};
    if (area.offset == 0) {
      if (++lists_ended == 2) break;
    } else if (lists_ended == 1 && found.metadata_area.offset == 0) {
      found.metadata_area = area;
    }
  }
  const Extent& area = found.metadata_area;
  const bool sane = area.offset != 0 && area.length > sector_bytes && area.offset <= volume.size() &&
                    area.length <= volume.size() - area.offset;
  if (!sane) return error(ErrorCode::corrupt, "the physical volume has no metadata area");
  return found;
}

// The text lies in a ring behind the area's first sector.
Result<Bytes> read_metadata(BlockSource& volume, const Extent& area) {
  std::array<std::byte, sector_bytes> header{};
  TRY(volume.read_at(area.offset, header));
  if (as_text(ByteView(header).subspan(4, 16)) != area_magic)
    return error(ErrorCode::corrupt, "the metadata area is damaged");
  const auto offset = load_le<std::uint64_t>(&header[40]);
  const auto length = load_le<std::uint64_t>(&header[48]);
  const auto checksum = load_le<std::uint32_t>(&header[56]);
  const bool sane = offset >= sector_bytes && offset < area.length && length > 0 &&
                    length <= area.length - sector_bytes && length <= most_metadata_bytes;
  if (!sane) return error(ErrorCode::corrupt, "the metadata area points outside itself");
  Bytes text(length);
  const std::uint64_t until_end = std::min(length, area.length - offset);
  TRY(volume.read_at(area.offset + offset, ByteSpan(text).first(until_end)));
  TRY(volume.read_at(area.offset + sector_bytes, ByteSpan(text).subspan(until_end)));
  if (lvm_crc(text) != checksum) return error(ErrorCode::corrupt, "the metadata has a wrong checksum");
  return text;
}

struct Group {
  std::string pv_name;  // what the text calls this physical volume: "pv0"
  std::uint64_t extent_bytes = 0;
  std::uint64_t first_extent_at = 0;  // bytes
  std::uint64_t volume_bytes = 0;
};

std::string without_dashes(std::string text) {
  std::erase(text, '-');
  return text;
}

Result<Group> describe_group(const LvmSection& group, const std::string& uuid, std::uint64_t volume_bytes) {
  const LvmSection* physical = group.section("physical_volumes");
  const auto extent_sectors = group.number("extent_size");
  if (physical == nullptr || !extent_sectors)
    return error(ErrorCode::corrupt, "the volume group is not described");
  for (const auto& [name, section] : physical->sections) {
    const auto start = section.number("pe_start");
    if (without_dashes(section.text("id")) != uuid || !start) continue;
    const std::uint64_t most_sectors = volume_bytes / sector_bytes;
    if (*start > most_sectors || *extent_sectors == 0 || *extent_sectors > most_sectors) break;
    return Group{name, *extent_sectors * sector_bytes, *start * sector_bytes, volume_bytes};
  }
  return error(ErrorCode::corrupt, "the volume group does not describe this physical volume");
}

// `failed_precondition`, with the reason, for a segment that is anything but one range of this physical
// volume.
Result<Extent> segment_range(const LvmSection& segment, const Group& group) {
  const auto found = segment.values.find("stripes");
  const bool linear = segment.text("type") == "striped" && segment.text("stripe_count") == "1" &&
                      found != segment.values.end() && found->second.size() == 2;
  if (!linear) return error(ErrorCode::failed_precondition, "it is not linear ({})", segment.text("type"));
  if (found->second[0] != group.pv_name)
    return error(ErrorCode::failed_precondition, "it reaches over several physical volumes");
  const auto first = parse_number(found->second[1]);
  const auto count = segment.number("extent_count");
  const std::uint64_t most = (group.volume_bytes - group.first_extent_at) / group.extent_bytes;
  if (!first || !count || *first > most || *count > most - *first) {
    return error(ErrorCode::corrupt, "it lies outside its physical volume");
  }
  return Extent{group.first_extent_at + *first * group.extent_bytes, *count * group.extent_bytes};
}

Result<std::vector<Extent>> volume_ranges(const LvmSection& logical, const Group& group) {
  constexpr std::uint64_t most_segments = 10000;
  const auto count = logical.number("segment_count");
  if (!count || *count == 0 || *count > most_segments) return error(ErrorCode::corrupt, "it has no segments");
  std::vector<Extent> ranges;
  std::uint64_t next_extent = 0;
  for (std::uint64_t i = 1; i <= *count; ++i) {
    const LvmSection* segment = logical.section(fmt::format("segment{}", i));
    if (segment == nullptr || segment->number("start_extent") != next_extent) {
      return error(ErrorCode::corrupt, "its segments have gaps");
    }
    ranges.push_back(TRY(segment_range(*segment, group)));
    next_extent += ranges.back().length / group.extent_bytes;
  }
  return ranges;
}

}  // namespace

Result<LinearVolumes> read_linear_volumes(BlockSource& physical_volume) {
  const Label label = TRY(read_label(physical_volume));
  const Bytes text = TRY(read_metadata(physical_volume, label.metadata_area));
  const LvmSection metadata = TRY(parse_lvm_text(as_text(text)));
  LinearVolumes found;
  for (const auto& [group_name, section] : metadata.sections) {
    const Group group =
        TRY(describe_group(section, label.uuid, physical_volume.size()), "volume group {}", group_name);
    const LvmSection* logical = section.section("logical_volumes");
    if (logical == nullptr) continue;
    for (const auto& [name, volume] : logical->sections) {
      auto ranges = volume_ranges(volume, group);
      if (ranges.ok()) {
        found.volumes.push_back({fmt::format("{}/{}", group_name, name), std::move(*ranges)});
      } else {
        found.warnings.push_back(
            fmt::format("logical volume {}/{} was not read: {}", group_name, name, ranges.error().message()));
      }
    }
  }
  return found;
}

}  // namespace rekindle
