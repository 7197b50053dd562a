#include "vmware/vmdk_descriptor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace rekindle {

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t max_disk_bytes = 64ULL * 1024 * gib;  // vSphere's own limit is 62 TiB
constexpr std::size_t max_extents = 256;
constexpr std::size_t max_shown = 80;

Error damaged(std::string_view why, std::string_view line) {
  return error(ErrorCode::corrupt, "the disk's descriptor is damaged: {}: '{}'", why,
               line.substr(0, max_shown));
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view take_word(std::string_view& rest) {
  rest = trim(rest);
  const auto end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool is_extent(std::string_view line) {
  return line.starts_with("RW ") || line.starts_with("RDONLY ") || line.starts_with("NOACCESS ");
}

// A file beside the descriptor and nothing else: the name becomes part of a URL.
Result<std::string> check_file_name(std::string_view name, std::string_view line) {
  if (name.starts_with('/') || name.find("://") != std::string_view::npos) {
    return error(
        ErrorCode::failed_precondition,
        "the disk's content '{}' is not a file beside its descriptor: it cannot be downloaded over HTTPS",
        name.substr(0, max_shown));
  }
  const bool plain = !name.empty() && name != "." && name != ".." && std::ranges::none_of(name, [](char c) {
    return c == '/' || c == '\\' || (c >= 0 && c < ' ');
  });
  if (!plain) return damaged("not a file name", line);
  return std::string(name);
}

Result<VmdkExtent> parse_extent(std::string_view line) {
  std::string_view rest = line;
  take_word(rest);  // access
  const auto sectors = parse_number(take_word(rest));
  if (!sectors || *sectors == 0 || *sectors > max_disk_bytes / sector_bytes)
    return damaged("impossible size", line);
  VmdkExtent extent{*sectors * sector_bytes, {}, 0};
  const std::string_view kind = take_word(rest);
  if (kind == "ZERO") return extent;
  constexpr std::array flat_kinds = {std::string_view("FLAT"), std::string_view("VMFS")};
  if (std::ranges::find(flat_kinds, kind) == flat_kinds.end()) {
    return error(
        ErrorCode::failed_precondition,
        "the disk is stored as '{}', which cannot be read over HTTPS (if it stands on older snapshots of the "
        "machine, delete them)",
        kind.substr(0, max_shown));
  }
  rest = trim(rest);
  const auto closing = rest.find('"', 1);
  if (!rest.starts_with('"') || closing == std::string_view::npos)
    return damaged("a file name is missing", line);
  extent.file = TRY(check_file_name(rest.substr(1, closing - 1), line));
  rest = trim(rest.substr(closing + 1));
  if (rest.empty()) return extent;
  const auto offset = parse_number(take_word(rest));
  if (!offset || *offset > max_disk_bytes / sector_bytes || !trim(rest).empty())
    return damaged("a bad offset", line);
  extent.file_offset_bytes = *offset * sector_bytes;
  return extent;
}

Result<> check_parent(std::string_view line) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos || trim(line.substr(0, equals)) != "parentCID") return {};
  const std::string_view parent = trim(line.substr(equals + 1));
  if (parent == "ffffffff" || parent == "FFFFFFFF") return {};
  return Error(
      ErrorCode::failed_precondition,
      "the disk is a delta over another one, which cannot be read over HTTPS: delete the machine's older "
      "snapshots, or consolidate its disks");
}

}  // namespace

std::uint64_t VmdkDescriptor::size_bytes() const {
  std::uint64_t total = 0;
  for (const VmdkExtent& extent : extents) total += extent.length_bytes;
  return total;
}

Result<VmdkDescriptor> parse_vmdk_descriptor(std::string_view text) {
  if (text.size() > max_descriptor_bytes)
    return Error(ErrorCode::corrupt, "the disk's descriptor is too long");
  if (!trim(text.substr(0, text.find('\n'))).starts_with("# Disk DescriptorFile")) {
    return damaged("it does not begin as one", text.substr(0, text.find_first_of("\r\n")));
  }
  VmdkDescriptor descriptor;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    TRY(check_parent(line));
    if (!is_extent(line)) continue;
    if (descriptor.extents.size() == max_extents) return damaged("too many extents", line);
    descriptor.extents.push_back(TRY(parse_extent(line)));
    if (descriptor.size_bytes() > max_disk_bytes) return damaged("larger than a disk can be", line);
  }
  if (descriptor.extents.empty()) return Error(ErrorCode::corrupt, "the disk's descriptor names no content");
  return descriptor;
}

}  // namespace rekindle
