// Writes a cpio archive in the "newc" form, as the kernel unpacks it into an initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst).
#pragma once

#include <string>

#include "base/bytes.h"

namespace rekindle {

// All entries belong to root; times are 0, so that the same input gives the same bytes.
class CpioArchive {
 public:
  void add_directory(const std::string& name);  // "lib/modules"
  void add_file(const std::string& name, ByteView content);
  // With the trailer. Call once, last.
  Bytes finish() &&;

 private:
  void add_entry(const std::string& name, unsigned mode, unsigned links, ByteView content);
  void pad();
  Bytes archive_;
  unsigned next_inode_ = 1;
};

}  // namespace rekindle
