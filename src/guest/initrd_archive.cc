#include "guest/initrd_archive.h"

#include <zstd.h>

#include <set>

#include "guest/cpio_archive.h"
#include "guest/lvm_text.h"

namespace rekindle {

namespace {

constexpr std::string_view mark_format = "rekindle-conversion 1\noriginal-bytes ";
constexpr std::size_t alignment = 4;

std::string tree_of(const std::string& kernel_version) {
  return "lib/modules/" + kernel_version;
}

// Directories come before what is in them; a set of paths is sorted that way.
std::set<std::string> directories_of(const std::string& tree, const ModuleFiles& files) {
  std::set<std::string> directories = {"lib/modules", tree};
  for (const auto& [path, content] : files) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      directories.insert(tree + "/" + path.substr(0, slash));
    }
  }
  return directories;
}

Result<Bytes> compress(const Bytes& plain) {
  constexpr int level = 3;
  Bytes packed(ZSTD_compressBound(plain.size()));
  const std::size_t length = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), level);
  if (ZSTD_isError(length) != 0U)
    return error(ErrorCode::internal, "compressing the drivers: {}", ZSTD_getErrorName(length));
  packed.resize(length);
  return packed;
}

Result<Bytes> make_mark(const std::string& kernel_version, std::uint64_t original_bytes) {
  CpioArchive mark;
  mark.add_file(tree_of(kernel_version) + "/rekindle-conversion",
                as_bytes(fmt::format("{}{:020}\n", mark_format, original_bytes)));
  Bytes bytes = std::move(mark).finish();
  if (bytes.size() > initrd_mark_bytes) {
    return error(ErrorCode::failed_precondition, "the name of kernel {} is too long", kernel_version);
  }
  bytes.resize(initrd_mark_bytes);
  return bytes;
}

void align(Bytes& bytes, std::uint64_t before) {
  while ((before + bytes.size()) % alignment != 0) bytes.push_back(std::byte{0});
}

}  // namespace

Result<Bytes> make_initrd_archive(const std::string& kernel_version, const ModuleFiles& files,
                                  ArchiveCompression compression, std::uint64_t original_bytes) {
  const std::string tree = tree_of(kernel_version);
  CpioArchive archive;
  for (const std::string& directory : directories_of(tree, files)) archive.add_directory(directory);
  for (const auto& [path, content] : files) archive.add_file(fmt::format("{}/{}", tree, path), content);
  Bytes drivers = std::move(archive).finish();
  if (compression == ArchiveCompression::zstd) drivers = TRY(compress(drivers));
  const Bytes mark = TRY(make_mark(kernel_version, original_bytes));

  Bytes appended;
  align(appended, original_bytes);
  appended.insert(appended.end(), drivers.begin(), drivers.end());
  align(appended, original_bytes);
  appended.insert(appended.end(), mark.begin(), mark.end());
  return appended;
}

std::optional<std::uint64_t> read_initrd_mark(const std::string& kernel_version, ByteView last_bytes) {
  const std::string_view text = as_text(last_bytes);
  const std::size_t at = text.find(mark_format);
  constexpr std::size_t digits = 20;
  if (last_bytes.size() != initrd_mark_bytes || at == std::string_view::npos) return std::nullopt;
  const auto original_bytes = parse_number(text.substr(at + mark_format.size(), digits));
  if (!original_bytes) return std::nullopt;
  // Nothing but the very mark that we would write is one.
  const auto expected = make_mark(kernel_version, *original_bytes);
  if (!expected.ok() || as_text(*expected) != text) return std::nullopt;
  return original_bytes;
}

}  // namespace rekindle
