#include "guest/cpio_archive.h"

namespace rekindle {

namespace {
constexpr unsigned directory_mode = 0040755;
constexpr unsigned file_mode = 0100644;

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}
}  // namespace

void CpioArchive::add_directory(const std::string& name) {
  add_entry(name, directory_mode, 2, {});
}

void CpioArchive::add_file(const std::string& name, ByteView content) {
  add_entry(name, file_mode, 1, content);
}

Bytes CpioArchive::finish() && {
  next_inode_ = 0;
  add_entry("TRAILER!!!", 0, 1, {});
  return std::move(archive_);
}

// Thirteen fields of eight hexadecimal digits after the magic; name and content each start on a multiple of
// four.
void CpioArchive::add_entry(const std::string& name, unsigned mode, unsigned links, ByteView content) {
  constexpr unsigned zero = 0;
  const std::string header = fmt::format(
      "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", next_inode_++,
      mode, zero, zero, links, zero, content.size(), zero, zero, zero, zero, name.size() + 1, zero);
  append(archive_, as_bytes(header));
  append(archive_, as_bytes(name));
  archive_.push_back(std::byte{0});
  pad();
  append(archive_, content);
  pad();
}

void CpioArchive::pad() {
  archive_.resize((archive_.size() + 3) / 4 * 4);
}

}  // namespace rekindle
