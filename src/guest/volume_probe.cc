// Offsets: ext4 kernel documentation "Super Block"; xfs "Disk Structures" 13.1; btrfs on-disk format;
// mkswap(8); Microsoft's FAT specification 1.03; cryptsetup's LUKS1/LUKS2 formats; LVM2
// lib/format_text/layout.h; md(4).
#include "guest/volume_probe.h"

#include <algorithm>

namespace rekindle {

namespace {

constexpr std::uint64_t probed_bytes = 70 * kib;

class Probe {
 public:
  explicit Probe(ByteView head) : head_(head) {}

  bool has(std::size_t offset, std::string_view magic) const {
    return offset + magic.size() <= head_.size() && as_text(head_.subspan(offset, magic.size())) == magic;
  }
  std::string uuid(std::size_t offset) const {
    if (offset + 16 > head_.size()) return {};
    const ByteView bytes = head_.subspan(offset, 16);
    if (all_zero(bytes)) return {};
    return fmt::format("{}-{}-{}-{}-{}", to_hex(bytes.first(4)), to_hex(bytes.subspan(4, 2)),
                       to_hex(bytes.subspan(6, 2)), to_hex(bytes.subspan(8, 2)), to_hex(bytes.subspan(10)));
  }
  std::string text(std::size_t offset, std::size_t length) const {
    if (offset + length > head_.size()) return {};
    std::string_view value = as_text(head_.subspan(offset, length));
    value = value.substr(0, value.find('\0'));
    return std::string(value.substr(0, value.find_last_not_of(' ') + 1));
  }
  std::string fat_serial(std::size_t offset) const {
    if (offset + 4 > head_.size()) return {};
    const auto serial = load_le<std::uint32_t>(&head_[offset]);
    return fmt::format("{:04X}-{:04X}", serial >> 16, serial & 0xFFFFU);
  }

 private:
  ByteView head_;
};

VolumeIdentity identify(const Probe& probe) {
  using namespace std::string_view_literals;
  if (probe.has(0, "LUKS\xBA\xBE"sv)) return {VolumeKind::luks, probe.text(168, 40), ""};
  for (const std::size_t sector : {0U, 512U, 1024U, 1536U}) {
    if (probe.has(sector, "LABELONE")) return {VolumeKind::lvm, "", ""};
  }
  if (probe.has(4096, "\xfc\x4e\x2b\xa9"sv)) return {VolumeKind::raid, "", ""};
  if (probe.has(1024 + 56, "\x53\xEF"sv))
    return {VolumeKind::ext, probe.uuid(1024 + 104), probe.text(1024 + 120, 16)};
  if (probe.has(4096 - 10, "SWAPSPACE2"))
    return {VolumeKind::swap, probe.uuid(1024 + 12), probe.text(1024 + 28, 16)};
  if (probe.has(0, "XFSB")) return {VolumeKind::xfs, probe.uuid(32), probe.text(108, 12)};
  if (probe.has(65536 + 64, "_BHRfS_M"))
    return {VolumeKind::btrfs, probe.uuid(65536 + 32), probe.text(65536 + 299, 256)};
  if (probe.has(3, "NTFS    ")) return {VolumeKind::ntfs, "", ""};
  if (probe.has(82, "FAT32   ")) return {VolumeKind::fat, probe.fat_serial(67), probe.text(71, 11)};
  if (probe.has(54, "FAT16   ") || probe.has(54, "FAT12   "))
    return {VolumeKind::fat, probe.fat_serial(39), probe.text(43, 11)};
  return {};
}

}  // namespace

std::string_view to_string(VolumeKind kind) {
  switch (kind) {
    case VolumeKind::ext:
      return "ext4";
    case VolumeKind::swap:
      return "swap";
    case VolumeKind::fat:
      return "FAT";
    case VolumeKind::ntfs:
      return "NTFS";
    case VolumeKind::xfs:
      return "XFS";
    case VolumeKind::btrfs:
      return "Btrfs";
    case VolumeKind::lvm:
      return "LVM physical volume";
    case VolumeKind::luks:
      return "LUKS encryption";
    case VolumeKind::raid:
      return "Linux software RAID";
    case VolumeKind::unknown:
      break;
  }
  return "nothing known";
}

Result<VolumeIdentity> probe_volume(BlockSource& volume) {
  Bytes head(std::min(volume.size(), probed_bytes));
  TRY(volume.read_at(0, head));
  return identify(Probe(head));
}

}  // namespace rekindle
