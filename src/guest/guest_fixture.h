// For tests: small disks of guests, made by the tools that make real ones, and e2fsck as the judge.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "disk/memory_disk.h"

namespace rekindle::guest_fixture {

inline std::filesystem::path folder() {
  static const auto made = TemporaryDirectory::make("rekindle-guest").value();
  return made.path();
}

// A name for a new file in folder().
inline std::filesystem::path fresh(const std::string& kind) {
  static int count = 0;
  return folder() / (kind + std::to_string(count++));
}

inline void tool(const std::vector<std::string>& argv) {
  const auto output = run_tool(argv);
  ASSERT_TRUE(output.ok()) << output.error().message();
}

// Nothing here has to survive a power cut: no syncing.
inline void write_plain(const std::filesystem::path& path, ByteView content) {
  auto file = File::open(path, File::Mode::create).value();
  EXPECT_TRUE(file.write_at(0, content).ok());
}

inline std::filesystem::path store(ByteView content) {
  const auto path = fresh("image");
  write_plain(path, content);
  return path;
}

// Path in the guest -> content. A content "-> target" makes a symbolic link, "/" an empty directory.
using Files = std::map<std::string, std::string>;

inline std::filesystem::path write_tree(const Files& files) {
  const auto top = fresh("tree");
  std::filesystem::create_directories(top);
  for (const auto& [path, content] : files) {
    const auto at = top / path.substr(1);
    std::filesystem::create_directories(content == "/" ? at : at.parent_path());
    if (content == "/") continue;
    if (content.starts_with("-> ")) {
      std::filesystem::create_symlink(content.substr(3), at);
    } else {
      write_plain(at, as_bytes(content));
      std::filesystem::permissions(at, std::filesystem::perms(0644));
    }
  }
  return top;
}

// The bytes of a file system that mke2fs made of these files.
inline Bytes ext4_image(const Files& files, std::uint64_t mib_size,
                        const std::vector<std::string>& options = {}) {
  const auto image = fresh("ext4-");
  std::vector<std::string> argv = {"mke2fs", "-q", "-F", "-t", "ext4", "-d", write_tree(files).string()};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.insert(argv.end(), {image.string(), std::to_string(mib_size) + "M"});
  tool(argv);
  return read_file(image).value();
}

inline void expect_clean(ByteView filesystem) {
  const auto checked = run_process({"e2fsck", "-fn", store(filesystem).string()}).value();
  EXPECT_EQ(checked.exit_status, 0) << checked.out;
}

inline std::string debugfs(const std::filesystem::path& image, const std::vector<std::string>& commands) {
  std::string script;
  for (const std::string& command : commands) script += command + "\n";
  const auto output =
      run_process({"debugfs", "-w", "-f", store(as_bytes(script)).string(), image.string()}).value();
  EXPECT_EQ(output.exit_status, 0) << output.err;
  return output.out;
}

// A disk with these partitions, each at the MiB where `layout` (sfdisk's input) puts it.
inline Bytes partitioned_disk(std::uint64_t mib_size, const std::string& layout,
                              const std::map<std::uint64_t, Bytes>& at_mib) {
  const auto path = store(Bytes(mib_size * mib));
  tool({"sh", "-c", "sfdisk -q " + path.string() + " < " + store(as_bytes(layout)).string()});
  Bytes disk = read_file(path).value();
  for (const auto& [start, content] : at_mib) {
    std::copy(content.begin(), content.end(), disk.begin() + static_cast<std::ptrdiff_t>(start * mib));
  }
  return disk;
}

inline Bytes part_of(const MemoryDisk& disk, std::uint64_t offset, std::uint64_t length) {
  return to_bytes(ByteView(disk.content()).subspan(offset, length));
}

// Changes some bytes inside `range`, so many and so often that something will notice.
template <typename RandomSource>
void damage(Bytes& content, Extent range, RandomSource& random) {
  const std::uint64_t count = 1 + random.below(64);
  for (std::uint64_t i = 0; i < count; ++i) {
    content[range.offset + random.below(range.length)] = static_cast<std::byte>(random.below(256));
  }
}

}  // namespace rekindle::guest_fixture
