// Files of an ext2/3/4 file system on any BlockTarget, through libext2fs: nothing is mounted, no kernel reads
// it.
#pragma once

#include <ext2fs/ext2fs.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "guest/ext4_device.h"

namespace rekindle {

enum class FileKind { file, directory, symbolic_link, other };

struct FileInfo {
  std::string name;
  FileKind kind = FileKind::other;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  unsigned mode = 0;  // permissions, as chmod(2) takes them
  unsigned owner = 0;
  unsigned group = 0;
  std::int64_t modified = 0;  // seconds since 1970
  std::string target;         // of a symbolic link, as it is written there
};

// One thread. Paths are absolute ("/etc/fstab"); symbolic links are followed inside the file system.
// The file system is hostile input: sizes are bounded by the caller's limits, names that are not file names
// are left out. Errors common to all: `not_found`, `corrupt` (damaged file system), and what the volume's
// reads return. Writes also: `exhausted` (full), `failed_precondition` (encrypted or verity-protected file).
class Ext4Volume {
 public:
  // `volume` outlives this. `failed_precondition` if the journal is not replayed or a feature is not known.
  static Result<std::unique_ptr<Ext4Volume>> open(BlockTarget& volume);
  // Without close(), what was not written yet is lost and the file system may be left inconsistent.
  ~Ext4Volume();
  Ext4Volume(const Ext4Volume&) = delete;
  Ext4Volume& operator=(const Ext4Volume&) = delete;
  // Writes what is pending. Writes nothing if nothing was changed. Afterwards only destruction is allowed.
  Result<> close();

  Result<bool> is_file(const std::string& path);
  Result<bool> is_directory(const std::string& path);
  // Sorted, without "." and "..".
  Result<std::vector<std::string>> list(const std::string& path);
  // What is under this path; a symbolic link at its end is not followed.
  Result<FileInfo> info(const std::string& path);
  // The same, where the link leads to.
  Result<FileInfo> info_followed(const std::string& path);
  // By inode, as the two above give it, so that large folders are not searched for each of their files. What
  // is in a folder, sorted by name; an entry whose inode is damaged is there, too, as `other` without an
  // inode.
  Result<std::vector<FileInfo>> entries(std::uint64_t folder);
  Result<Bytes> read_inode(std::uint64_t file, std::uint64_t offset, std::uint64_t length);
  Result<std::uint64_t> size_of(const std::string& path);
  Result<Bytes> read(const std::string& path, std::uint64_t offset, std::uint64_t length);
  // `corrupt` if the file is longer than `limit`.
  Result<Bytes> read_all(const std::string& path, std::uint64_t limit);
  Result<std::string> read_text(const std::string& path) { return read_text(path, mib); }
  Result<std::string> read_text(const std::string& path, std::uint64_t limit);

  // The inode stays: owner, mode, labels, hard links.
  Result<> append(const std::string& path, ByteView bytes);
  Result<> replace(const std::string& path, ByteView bytes);
  // New file of root, mode `mode` (e.g. 0644). `already_exists`.
  Result<> create(const std::string& path, ByteView bytes, unsigned mode);
  // And its parents, root's, 0755. Existing is fine.
  Result<> make_directories(const std::string& path);
  // Cuts the file to `length`, which is not more than it has.
  Result<> truncate(const std::string& path, std::uint64_t length);
  // A file; a hard link elsewhere keeps its content.
  Result<> remove(const std::string& path);

  // The paths that were given to the writers of files above, so far.
  const std::set<std::string>& changed_files() const { return changed_files_; }

  std::uint64_t free_bytes() const;

 private:
  explicit Ext4Volume(BlockTarget& volume) : device_{volume, {}} {}
  Result<ext2_ino_t> lookup(const std::string& path);
  Result<ext2_inode> inode_of(ext2_ino_t number);
  Result<FileInfo> info_of(ext2_ino_t number, std::string name);
  Result<bool> has_type(const std::string& path, unsigned type);
  Result<ext2_ino_t> writable_file(const std::string& path);
  Result<> load_bitmaps();
  Result<> write_content(ext2_ino_t number, std::uint64_t offset, ByteView bytes, bool truncate);
  Result<> link(ext2_ino_t directory, const std::string& name, ext2_ino_t number, int type);
  Result<> make_directory(const std::string& path);
  Result<> check(errcode_t code);

  Ext4Device device_;
  ext2_filsys filesystem_ = nullptr;
  bool bitmaps_loaded_ = false;
  std::set<std::string> changed_files_;
};

}  // namespace rekindle
