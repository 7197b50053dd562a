#include "guest/fat_volume.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace rekindle {

namespace {

constexpr std::uint64_t most_directory_bytes = 2 * mib;  // 65536 entries, FAT's own limit
constexpr std::size_t entry_bytes = 32;

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

std::string short_name(const std::byte* entry) {
  const auto part = [&](std::size_t at, std::size_t length) {
    std::string_view text = as_text(ByteView(entry + at, length));
    const std::size_t last = text.find_last_not_of(' ');
    return std::string(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
  };
  const std::string extension = part(8, 3);
  return upper(extension.empty() ? part(0, 8) : part(0, 8) + "." + extension);
}

std::vector<FatEntry> parse_directory(const Bytes& content) {
  constexpr unsigned attribute_directory = 0x10;
  constexpr unsigned attribute_volume_label = 0x08;  // also set in the parts of a long name
  std::vector<FatEntry> entries;
  for (std::size_t at = 0; at + entry_bytes <= content.size(); at += entry_bytes) {
    const std::byte* raw = &content[at];
    const auto first = std::to_integer<unsigned>(raw[0]);
    const auto attributes = std::to_integer<unsigned>(raw[11]);
    if (first == 0) break;
    if (first == 0xE5 || (attributes & attribute_volume_label) != 0 || raw[0] == std::byte{'.'}) continue;
    const std::uint32_t high = load_le<std::uint16_t>(raw + 20);
    entries.push_back({short_name(raw), (attributes & attribute_directory) != 0,
                       high << 16 | load_le<std::uint16_t>(raw + 26), load_le<std::uint32_t>(raw + 28)});
  }
  return entries;
}

}  // namespace

Result<FatVolume> FatVolume::open(BlockSource& volume) {
  FatVolume fat(volume);
  TRY(fat.parse_boot_sector(), "reading the FAT file system");
  return fat;
}

Result<> FatVolume::parse_boot_sector() {
  std::array<std::byte, 512> boot{};
  if (volume_->size() < boot.size()) return error(ErrorCode::corrupt, "the volume is too small");
  TRY(volume_->read_at(0, boot));
  const std::uint64_t sector = load_le<std::uint16_t>(&boot[11]);
  const std::uint64_t per_cluster = std::to_integer<std::uint64_t>(boot[13]);
  const std::uint64_t reserved = load_le<std::uint16_t>(&boot[14]);
  const std::uint64_t fats = std::to_integer<std::uint64_t>(boot[16]);
  const std::uint64_t top_entries = load_le<std::uint16_t>(&boot[17]);
  const std::uint64_t small_total = load_le<std::uint16_t>(&boot[19]);
  const std::uint64_t small_fat = load_le<std::uint16_t>(&boot[22]);
  const std::uint64_t total = small_total != 0 ? small_total : load_le<std::uint32_t>(&boot[32]);
  const std::uint64_t fat_sectors = small_fat != 0 ? small_fat : load_le<std::uint32_t>(&boot[36]);
  const bool sane = (sector == 512 || sector == 1024 || sector == 2048 || sector == 4096) &&
                    per_cluster != 0 && fats != 0 && reserved != 0 && total <= volume_->size() / sector;
  if (!sane) return error(ErrorCode::corrupt, "its first sector is damaged");
  const std::uint64_t top_sectors = (top_entries * entry_bytes + sector - 1) / sector;
  const std::uint64_t data_sector = reserved + fats * fat_sectors + top_sectors;
  if (data_sector >= total) return error(ErrorCode::corrupt, "it has no room for data");
  cluster_bytes_ = per_cluster * sector;
  fat_at_ = reserved * sector;
  top_at_ = (reserved + fats * fat_sectors) * sector;
  top_bytes_ = top_entries * entry_bytes;
  data_at_ = data_sector * sector;
  cluster_count_ = static_cast<std::uint32_t>((total - data_sector) / per_cluster);
  // The number of clusters alone decides which of the three it is.
  fat_bits_ = cluster_count_ < 4085 ? 12 : cluster_count_ < 65525 ? 16 : 32;
  if (fat_bits_ == 32) top_cluster_ = load_le<std::uint32_t>(&boot[44]);
  const std::uint64_t fat_bytes = fat_sectors * sector;
  if ((std::uint64_t{cluster_count_} + 2) * fat_bits_ / 8 > fat_bytes)
    return error(ErrorCode::corrupt, "its allocation table is too short");
  return {};
}

Result<std::uint32_t> FatVolume::next_cluster(std::uint32_t cluster) const {
  std::array<std::byte, 4> raw{};
  const std::uint64_t at = fat_at_ + std::uint64_t{cluster} * fat_bits_ / 8;
  TRY(volume_->read_at(at, ByteSpan(raw).first(fat_bits_ == 32 ? 4 : 2)));
  if (fat_bits_ == 32) return load_le<std::uint32_t>(raw.data()) & 0x0FFFFFFFU;
  const std::uint32_t value = load_le<std::uint16_t>(raw.data());
  if (fat_bits_ == 16) return value;
  return cluster % 2 == 0 ? value & 0xFFFU : value >> 4;
}

// Ends at the first number that is no cluster: the end marks of all three kinds are beyond the last one.
Result<Bytes> FatVolume::read_chain(std::uint32_t cluster) const {
  Bytes content;
  while (cluster >= 2 && cluster < cluster_count_ + 2) {
    if (content.size() + cluster_bytes_ > most_directory_bytes)
      return error(ErrorCode::corrupt, "a directory has no end");
    const std::size_t done = content.size();
    content.resize(done + cluster_bytes_);
    TRY(volume_->read_at(data_at_ + std::uint64_t{cluster - 2} * cluster_bytes_,
                         ByteSpan(content).subspan(done)));
    cluster = TRY(next_cluster(cluster));
  }
  return content;
}

Result<Bytes> FatVolume::read_top() const {
  if (fat_bits_ == 32) return read_chain(top_cluster_);
  Bytes content(top_bytes_);
  TRY(volume_->read_at(top_at_, content));
  return content;
}

Result<std::vector<FatEntry>> FatVolume::list(std::string_view path) const {
  const Bytes top = TRY(read_top());
  std::vector<FatEntry> entries = parse_directory(top);
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string wanted = upper(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
    const auto found = std::ranges::find_if(
        entries, [&](const FatEntry& entry) { return entry.directory && entry.name == wanted; });
    if (found == entries.end()) return error(ErrorCode::not_found, "there is no folder {}", wanted);
    const Bytes content = TRY(read_chain(found->first_cluster));
    entries = parse_directory(content);
  }
  return entries;
}

Result<bool> FatVolume::has_file(std::string_view path) const {
  const std::size_t slash = path.rfind('/');
  const bool at_top = slash == std::string_view::npos;
  const auto entries = list(at_top ? "" : path.substr(0, slash));
  if (!entries.ok()) {
    if (entries.error().code() == ErrorCode::not_found) return false;
    return entries.error();
  }
  const std::string wanted = upper(at_top ? path : path.substr(slash + 1));
  return std::ranges::any_of(*entries,
                             [&](const FatEntry& entry) { return !entry.directory && entry.name == wanted; });
}

}  // namespace rekindle
