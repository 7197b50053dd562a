#include "guest/partition_table.h"

#include <algorithm>
#include <array>

namespace rekindle {

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::string_view efi_system_guid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

// CRC-32 as in zlib; the tables are small.
std::uint32_t crc32(ByteView bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

// The first three fields of a GUID are stored little endian, the others as they are read.
std::string guid_text(const std::byte* at) {
  const ByteView tail(at + 8, 8);
  return fmt::format("{:08x}-{:04x}-{:04x}-{}-{}", load_le<std::uint32_t>(at), load_le<std::uint16_t>(at + 4),
                     load_le<std::uint16_t>(at + 6), to_hex(tail.first(2)), to_hex(tail.subspan(2)));
}

using Sector = std::array<std::byte, sector_bytes>;

Result<Sector> read_sector(BlockSource& disk, std::uint64_t lba) {
  if (lba >= disk.size() / sector_bytes)
    return error(ErrorCode::corrupt, "sector {} lies behind the end of the disk", lba);
  Sector sector{};
  TRY(disk.read_at(lba * sector_bytes, sector));
  return sector;
}

bool has_mbr_signature(const Sector& sector) {
  return load_le<std::uint16_t>(&sector[510]) == 0xAA55;
}

// --- MBR

struct MbrEntry {
  unsigned type = 0;
  std::uint64_t start = 0;  // sectors, relative
  std::uint64_t count = 0;

  bool extended() const { return type == 0x05 || type == 0x0F || type == 0x85; }
  bool used() const { return type != 0 && count != 0; }
};

MbrEntry mbr_entry(const Sector& sector, std::size_t index) {
  const std::byte* at = &sector[446 + 16 * index];
  return {std::to_integer<unsigned>(at[4]), load_le<std::uint32_t>(at + 8), load_le<std::uint32_t>(at + 12)};
}

void add_mbr_partition(PartitionTable& table, BlockSource& disk, int number, std::uint64_t start,
                       const MbrEntry& entry) {
  const Extent range{start * sector_bytes, entry.count * sector_bytes};
  if (range.end() > disk.size()) {
    table.warnings.push_back(
        fmt::format("partition {} reaches behind the end of the disk and is ignored", number));
    return;
  }
  table.partitions.push_back({number, range, fmt::format("{:02x}", entry.type), entry.type == 0xEF});
}

// Logical partitions are a linked list of tables inside the extended partition; the limit ends a list that is
// a loop.
Result<> read_logical_partitions(PartitionTable& table, BlockSource& disk, std::uint64_t extended_start) {
  constexpr int most = 60;
  std::uint64_t at = extended_start;
  for (int number = 5; number < 5 + most; ++number) {
    const Sector sector = TRY(read_sector(disk, at), "reading the table of logical partition {}", number);
    if (!has_mbr_signature(sector))
      return error(ErrorCode::corrupt, "the table of logical partition {} is damaged", number);
    const MbrEntry entry = mbr_entry(sector, 0);
    if (entry.used()) add_mbr_partition(table, disk, number, at + entry.start, entry);
    const MbrEntry next = mbr_entry(sector, 1);
    if (!next.used()) return {};
    at = extended_start + next.start;
  }
  return error(ErrorCode::corrupt, "the list of logical partitions has no end");
}

Result<PartitionTable> read_mbr(BlockSource& disk, const Sector& sector) {
  PartitionTable table;
  table.scheme = PartitionScheme::mbr;
  for (std::size_t i = 0; i < 4; ++i) {
    const MbrEntry entry = mbr_entry(sector, i);
    if (entry.used() && !entry.extended())
      add_mbr_partition(table, disk, static_cast<int>(i) + 1, entry.start, entry);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const MbrEntry entry = mbr_entry(sector, i);
    if (!entry.used() || !entry.extended()) continue;
    const auto logical = read_logical_partitions(table, disk, entry.start);
    if (!logical.ok()) {
      if (logical.error().code() != ErrorCode::corrupt) return logical.error();
      table.warnings.push_back(logical.error().message());
    }
  }
  return table;
}

// --- GPT

struct GptHeader {
  std::uint64_t entries_lba = 0;
  std::uint32_t entry_count = 0;
  std::uint32_t entry_bytes = 0;
  std::uint32_t entries_crc = 0;
};

Result<GptHeader> gpt_header(Sector sector, std::uint64_t lba) {
  if (as_text(ByteView(sector).first(8)) != "EFI PART")
    return error(ErrorCode::corrupt, "there is no GPT header");
  const auto header_bytes = load_le<std::uint32_t>(&sector[12]);
  if (header_bytes < 92 || header_bytes > sector_bytes)
    return error(ErrorCode::corrupt, "its header has a wrong length");
  const auto stored = load_le<std::uint32_t>(&sector[16]);
  store_le<std::uint32_t>(&sector[16], 0);
  if (crc32(ByteView(sector).first(header_bytes)) != stored)
    return error(ErrorCode::corrupt, "its header has a wrong checksum");
  if (load_le<std::uint64_t>(&sector[24]) != lba)
    return error(ErrorCode::corrupt, "its header belongs elsewhere");
  const GptHeader header{load_le<std::uint64_t>(&sector[72]), load_le<std::uint32_t>(&sector[80]),
                         load_le<std::uint32_t>(&sector[84]), load_le<std::uint32_t>(&sector[88])};
  const bool sane = header.entry_bytes >= 128 && header.entry_bytes <= 4096 && header.entry_bytes % 8 == 0 &&
                    header.entry_count <= 1024;
  if (!sane) return error(ErrorCode::corrupt, "its header describes an impossible list of partitions");
  return header;
}

void add_gpt_partition(PartitionTable& table, BlockSource& disk, int number, const std::byte* entry) {
  const std::string type = guid_text(entry);
  const auto first = load_le<std::uint64_t>(entry + 32);
  const auto last = load_le<std::uint64_t>(entry + 40);
  if (first > last || last >= disk.size() / sector_bytes) {
    table.warnings.push_back(fmt::format("partition {} does not lie inside the disk and is ignored", number));
    return;
  }
  const Extent range{first * sector_bytes, (last - first + 1) * sector_bytes};
  table.partitions.push_back({number, range, type, type == efi_system_guid});
}

Result<PartitionTable> read_gpt(BlockSource& disk, std::uint64_t lba) {
  const Sector sector = TRY(read_sector(disk, lba));
  const GptHeader header = TRY(gpt_header(sector, lba));
  Bytes entries(std::uint64_t{header.entry_count} * header.entry_bytes);
  const std::uint64_t sectors = disk.size() / sector_bytes;
  if (header.entries_lba >= sectors || entries.size() > (sectors - header.entries_lba) * sector_bytes) {
    return error(ErrorCode::corrupt, "its list of partitions lies behind the end of the disk");
  }
  TRY(disk.read_at(header.entries_lba * sector_bytes, entries));
  if (crc32(entries) != header.entries_crc)
    return error(ErrorCode::corrupt, "its list of partitions has a wrong checksum");
  PartitionTable table;
  table.scheme = PartitionScheme::gpt;
  for (std::uint32_t i = 0; i < header.entry_count; ++i) {
    const std::byte* entry = &entries[std::size_t{i} * header.entry_bytes];
    if (!all_zero(ByteView(entry, 16))) add_gpt_partition(table, disk, static_cast<int>(i) + 1, entry);
  }
  return table;
}

Result<PartitionTable> read_gpt_or_backup(BlockSource& disk) {
  auto primary = read_gpt(disk, 1);
  if (primary.ok() || primary.error().code() != ErrorCode::corrupt) return primary;
  auto backup = read_gpt(disk, disk.size() / sector_bytes - 1);
  if (!backup.ok()) {
    if (backup.error().code() != ErrorCode::corrupt) return backup;
    return error(ErrorCode::corrupt, "the partition table (GPT) is damaged ({}), and so is its backup ({})",
                 primary.error().message(), backup.error().message());
  }
  backup->warnings.push_back(fmt::format("the partition table (GPT) is damaged ({}); its backup was used",
                                         primary.error().message()));
  return backup;
}

bool protects_a_gpt(const Sector& sector) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (mbr_entry(sector, i).type == 0xEE) return true;
  }
  return false;
}

PartitionTable whole_disk(BlockSource& disk) {
  PartitionTable table;
  table.partitions.push_back({0, {0, disk.size()}, "", false});
  return table;
}

}  // namespace

Result<PartitionTable> read_partition_table(BlockSource& disk) {
  if (disk.size() < 4 * sector_bytes)
    return error(ErrorCode::corrupt, "the disk is too small to hold a system");
  const Sector sector = TRY(read_sector(disk, 0), "reading the partition table");
  if (!has_mbr_signature(sector)) return whole_disk(disk);
  PartitionTable table;
  if (protects_a_gpt(sector)) {
    table = TRY(read_gpt_or_backup(disk));
  } else {
    table = TRY(read_mbr(disk, sector), "reading the partition table");
  }
  table.has_boot_code = !all_zero(ByteView(sector).first(440));
  std::ranges::sort(table.partitions, {}, &Partition::number);
  if (table.partitions.empty()) {
    const auto warnings = table.warnings;
    return error(ErrorCode::corrupt, "the disk has a partition table without a usable partition{}",
                 warnings.empty() ? "" : " (" + warnings.front() + ")");
  }
  return table;
}

}  // namespace rekindle
