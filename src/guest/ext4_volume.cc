#include "guest/ext4_volume.h"

#include <algorithm>

#include "guest/ext4_superblock.h"

namespace rekindle {

namespace {

struct FileCloser {
  void operator()(ext2_file* file) const { ext2fs_file_close(file); }
};
using OpenFile = std::unique_ptr<ext2_file, FileCloser>;

std::pair<std::string, std::string> split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  CHECK(slash != std::string::npos);
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

struct NameList {
  std::vector<std::pair<std::string, ext2_ino_t>> names;
  std::size_t entries = 0;
};

bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

// Unused entries are seen, too, so that a directory of nothing else has an end.
int collect_name(ext2_ino_t /*dir*/, int /*entry*/, ext2_dir_entry* found, int /*offset*/, int /*block_size*/,
                 char* /*buffer*/, void* list) {
  constexpr std::size_t most_entries = 200000;
  auto& collected = *static_cast<NameList*>(list);
  if (++collected.entries > most_entries) return DIRENT_ABORT;
  const std::string_view name(found->name, static_cast<std::size_t>(ext2fs_dirent_name_len(found)));
  if (found->inode != 0 && is_file_name(name)) collected.names.emplace_back(name, found->inode);
  return 0;
}

}  // namespace

Result<std::unique_ptr<Ext4Volume>> Ext4Volume::open(BlockTarget& volume) {
  const Ext4Superblock superblock = TRY(Ext4Superblock::read(volume));
  if (superblock.needs_recovery()) {
    return error(ErrorCode::failed_precondition, "the journal of the file system must be replayed first");
  }
  if (superblock.has_inline_data()) {
    return error(ErrorCode::failed_precondition,
                 "the file system keeps small files in their inodes (inline_data), which is not supported");
  }
  std::unique_ptr<Ext4Volume> opened(new Ext4Volume(volume));
  opened->filesystem_ = TRY(open_filesystem(opened->device_, true));
  // The same input gives the same bytes: new files carry the time of the last mount or write, not of the
  // conversion.
  opened->filesystem_->now = static_cast<time_t>(opened->filesystem_->super->s_wtime);
  return opened;
}

Ext4Volume::~Ext4Volume() {
  if (filesystem_ != nullptr) ext2fs_free(filesystem_);
}

Result<> Ext4Volume::close() {
  return check(ext2fs_close_free(&filesystem_));
}

Result<> Ext4Volume::check(errcode_t code) {
  if (code == 0) return {};
  return filesystem_error(device_, code);
}

Result<ext2_ino_t> Ext4Volume::lookup(const std::string& path) {
  ext2_ino_t number = 0;
  TRY(check(ext2fs_namei_follow(filesystem_, EXT2_ROOT_INO, EXT2_ROOT_INO, path.c_str(), &number)), "{}",
      path);
  return number;
}

Result<ext2_inode> Ext4Volume::inode_of(ext2_ino_t number) {
  ext2_inode inode{};
  TRY(check(ext2fs_read_inode(filesystem_, number, &inode)));
  return inode;
}

Result<bool> Ext4Volume::has_type(const std::string& path, unsigned type) {
  const auto number = lookup(path);
  if (!number.ok()) {
    if (number.error().code() == ErrorCode::not_found) return false;
    return number.error();
  }
  const ext2_inode inode = TRY(inode_of(*number), "{}", path);
  return (inode.i_mode & LINUX_S_IFMT) == type;
}

Result<bool> Ext4Volume::is_file(const std::string& path) {
  return has_type(path, LINUX_S_IFREG);
}
Result<bool> Ext4Volume::is_directory(const std::string& path) {
  return has_type(path, LINUX_S_IFDIR);
}

Result<std::vector<std::string>> Ext4Volume::list(const std::string& path) {
  const ext2_ino_t directory = TRY(lookup(path));
  NameList list;
  TRY(check(ext2fs_dir_iterate2(filesystem_, directory, DIRENT_FLAG_INCLUDE_EMPTY, nullptr, collect_name,
                                &list)),
      "{}", path);
  std::vector<std::string> names;
  for (auto& [name, number] : list.names) names.push_back(std::move(name));
  std::ranges::sort(names);
  return names;
}

Result<std::vector<FileInfo>> Ext4Volume::entries(std::uint64_t folder) {
  NameList list;
  TRY(check(ext2fs_dir_iterate2(filesystem_, static_cast<ext2_ino_t>(folder), DIRENT_FLAG_INCLUDE_EMPTY,
                                nullptr, collect_name, &list)));
  std::ranges::sort(list.names);
  std::vector<FileInfo> found;
  for (const auto& [name, number] : list.names) {
    auto info = info_of(number, name);
    if (info.ok()) found.push_back(std::move(*info));
    if (info.ok()) continue;
    found.emplace_back();
    found.back().name = name;
  }
  return found;
}

namespace {

FileKind kind_of(const ext2_inode& inode) {
  switch (inode.i_mode & LINUX_S_IFMT) {
    case LINUX_S_IFREG:
      return FileKind::file;
    case LINUX_S_IFDIR:
      return FileKind::directory;
    case LINUX_S_IFLNK:
      return FileKind::symbolic_link;
    default:
      return FileKind::other;
  }
}

// A short target lies in the inode, a longer one in the first block.
Result<std::string> target_of(ext2_filsys filesystem, ext2_ino_t number, ext2_inode& inode) {
  const std::uint64_t length = EXT2_I_SIZE(&inode);
  if (ext2fs_is_fast_symlink(&inode) != 0 && length <= sizeof inode.i_block) {
    return std::string(reinterpret_cast<const char*>(inode.i_block), length);
  }
  if (length > filesystem->blocksize) return error(ErrorCode::corrupt, "a symbolic link of {} bytes", length);
  blk64_t block = 0;
  Bytes content(filesystem->blocksize);
  if (ext2fs_bmap2(filesystem, number, &inode, nullptr, 0, 0, nullptr, &block) != 0 || block == 0 ||
      io_channel_read_blk64(filesystem->io, block, 1, content.data()) != 0) {
    return error(ErrorCode::corrupt, "a symbolic link without a target");
  }
  return std::string(as_text(content).substr(0, length));
}

}  // namespace

Result<FileInfo> Ext4Volume::info(const std::string& path) {
  ext2_ino_t number = 0;
  TRY(check(ext2fs_namei(filesystem_, EXT2_ROOT_INO, EXT2_ROOT_INO, path.c_str(), &number)), "{}", path);
  return TRY(info_of(number, path.substr(path.rfind('/') + 1)), "{}", path);
}

Result<FileInfo> Ext4Volume::info_followed(const std::string& path) {
  const ext2_ino_t number = TRY(lookup(path));
  return TRY(info_of(number, path.substr(path.rfind('/') + 1)), "{}", path);
}

Result<FileInfo> Ext4Volume::info_of(ext2_ino_t number, std::string name) {
  ext2_inode inode = TRY(inode_of(number));
  FileInfo info;
  info.name = std::move(name);
  info.kind = kind_of(inode);
  info.inode = number;
  info.size_bytes = EXT2_I_SIZE(&inode);
  info.mode = inode.i_mode & 07777U;
  info.owner = inode_uid(inode);
  info.group = inode_gid(inode);
  info.modified = static_cast<std::int32_t>(inode.i_mtime);
  if (info.kind == FileKind::symbolic_link) info.target = TRY(target_of(filesystem_, number, inode));
  return info;
}

Result<std::uint64_t> Ext4Volume::size_of(const std::string& path) {
  const ext2_ino_t number = TRY(lookup(path));
  ext2_inode inode = TRY(inode_of(number), "{}", path);
  return EXT2_I_SIZE(&inode);
}

namespace {

Result<> check_accessible(const ext2_inode& inode) {
  if ((inode.i_mode & LINUX_S_IFMT) != LINUX_S_IFREG)
    return error(ErrorCode::not_found, "this is not a regular file");
  if ((inode.i_flags & EXT4_ENCRYPT_FL) != 0)
    return error(ErrorCode::failed_precondition, "the file is encrypted");
  // libext2fs 1.47.0 copies what is written to such a file into one block's buffer, however long it is.
  if ((inode.i_flags & EXT4_INLINE_DATA_FL) != 0) {
    return error(ErrorCode::failed_precondition,
                 "the file's content lies in its inode, which is not supported");
  }
  return {};
}

}  // namespace

Result<Bytes> Ext4Volume::read(const std::string& path, std::uint64_t offset, std::uint64_t length) {
  const ext2_ino_t number = TRY(lookup(path));
  return TRY(read_inode(number, offset, length), "{}", path);
}

Result<Bytes> Ext4Volume::read_inode(std::uint64_t file, std::uint64_t offset, std::uint64_t length) {
  const auto number = static_cast<ext2_ino_t>(file);
  const ext2_inode inode = TRY(inode_of(number));
  TRY(check_accessible(inode));
  ext2_file_t handle = nullptr;
  TRY(check(ext2fs_file_open(filesystem_, number, 0, &handle)));
  const OpenFile closing(handle);
  TRY(check(ext2fs_file_llseek(handle, offset, EXT2_SEEK_SET, nullptr)));
  Bytes content(length);
  for (std::size_t done = 0; done < content.size();) {
    unsigned step = 0;
    const auto wanted = static_cast<unsigned>(std::min<std::size_t>(content.size() - done, mib));
    TRY(check(ext2fs_file_read(handle, &content[done], wanted, &step)), "reading");
    if (step == 0) return error(ErrorCode::corrupt, "the file ends before its end");
    done += step;
  }
  return content;
}

Result<Bytes> Ext4Volume::read_all(const std::string& path, std::uint64_t limit) {
  const std::uint64_t length = TRY(size_of(path));
  if (length > limit)
    return error(ErrorCode::corrupt, "{}: the file has {}, which cannot be right", path, human_bytes(length));
  return read(path, 0, length);
}

Result<std::string> Ext4Volume::read_text(const std::string& path, std::uint64_t limit) {
  const Bytes content = TRY(read_all(path, limit));
  return std::string(as_text(content));
}

// Bitmaps of a large file system are many reads: only who writes needs them.
Result<> Ext4Volume::load_bitmaps() {
  if (bitmaps_loaded_) return {};
  TRY(check(ext2fs_read_bitmaps(filesystem_)), "reading the bitmaps of free space");
  bitmaps_loaded_ = true;
  return {};
}

Result<ext2_ino_t> Ext4Volume::writable_file(const std::string& path) {
  TRY(load_bitmaps());
  const ext2_ino_t number = TRY(lookup(path));
  const ext2_inode inode = TRY(inode_of(number), "{}", path);
  TRY(check_accessible(inode), "{}", path);
  if ((inode.i_flags & EXT4_VERITY_FL) != 0) {
    return error(ErrorCode::failed_precondition,
                 "{}: the file is protected by fs-verity and cannot be changed", path);
  }
  return number;
}

Result<> Ext4Volume::write_content(ext2_ino_t number, std::uint64_t offset, ByteView bytes, bool truncate) {
  ext2_file_t handle = nullptr;
  TRY(check(ext2fs_file_open(filesystem_, number, EXT2_FILE_WRITE, &handle)));
  OpenFile file(handle);
  TRY(check(ext2fs_file_llseek(handle, offset, EXT2_SEEK_SET, nullptr)));
  for (std::size_t done = 0; done < bytes.size();) {
    unsigned step = 0;
    const auto wanted = static_cast<unsigned>(std::min<std::size_t>(bytes.size() - done, mib));
    TRY(check(ext2fs_file_write(handle, &bytes[done], wanted, &step)));
    if (step == 0) return error(ErrorCode::internal, "the file system library wrote nothing");
    done += step;
  }
  TRY(check(ext2fs_file_flush(handle)));
  if (truncate) TRY(check(ext2fs_file_set_size2(handle, static_cast<ext2_off64_t>(offset + bytes.size()))));
  return check(ext2fs_file_close(file.release()));
}

Result<> Ext4Volume::append(const std::string& path, ByteView bytes) {
  const ext2_ino_t number = TRY(writable_file(path));
  const std::uint64_t length = TRY(size_of(path));
  // Ask first: half an archive is worse than none.
  if (bytes.size() + 64 * kib > free_bytes()) {
    return error(ErrorCode::exhausted,
                 "{} needs {} more, and its file system has {} free: free some space in the guest", path,
                 human_bytes(bytes.size()), human_bytes(free_bytes()));
  }
  TRY(write_content(number, length, bytes, false), "appending to {}", path);
  changed_files_.insert(path);
  return {};
}

Result<> Ext4Volume::replace(const std::string& path, ByteView bytes) {
  const ext2_ino_t number = TRY(writable_file(path));
  TRY(write_content(number, 0, bytes, true), "replacing {}", path);
  changed_files_.insert(path);
  return {};
}

Result<> Ext4Volume::link(ext2_ino_t directory, const std::string& name, ext2_ino_t number, int type) {
  errcode_t code = ext2fs_link(filesystem_, directory, name.c_str(), number, type);
  if (code == EXT2_ET_DIR_NO_SPACE) {
    TRY(check(ext2fs_expand_dir(filesystem_, directory)));
    code = ext2fs_link(filesystem_, directory, name.c_str(), number, type);
  }
  return check(code);
}

Result<> Ext4Volume::create(const std::string& path, ByteView bytes, unsigned mode) {
  TRY(load_bitmaps());
  const auto [parent, name] = split_path(path);
  const ext2_ino_t directory = TRY(lookup(parent));
  ext2_ino_t number = 0;
  if (ext2fs_lookup(filesystem_, directory, name.c_str(), static_cast<int>(name.size()), nullptr, &number) ==
      0) {
    return error(ErrorCode::already_exists, "{} exists already", path);
  }
  TRY(check(
          ext2fs_new_inode(filesystem_, directory, static_cast<int>(LINUX_S_IFREG | mode), nullptr, &number)),
      "making {}", path);
  ext2_inode inode{};
  inode.i_mode = static_cast<__u16>(LINUX_S_IFREG | mode);
  inode.i_links_count = 1;
  inode.i_atime = inode.i_ctime = inode.i_mtime = static_cast<__u32>(filesystem_->now);
  if (ext2fs_has_feature_extents(filesystem_->super)) {
    ext2_extent_handle_t handle = nullptr;
    TRY(check(ext2fs_extent_open2(filesystem_, number, &inode, &handle)));
    ext2fs_extent_free(handle);
  }
  TRY(check(ext2fs_write_new_inode(filesystem_, number, &inode)), "making {}", path);
  ext2fs_inode_alloc_stats2(filesystem_, number, +1, 0);
  TRY(link(directory, name, number, EXT2_FT_REG_FILE), "making {}", path);
  TRY(write_content(number, 0, bytes, false), "writing {}", path);
  changed_files_.insert(path);
  return {};
}

Result<> Ext4Volume::truncate(const std::string& path, std::uint64_t length) {
  const ext2_ino_t number = TRY(writable_file(path));
  const std::uint64_t present = TRY(size_of(path));
  CHECK(length <= present);
  ext2_file_t handle = nullptr;
  TRY(check(ext2fs_file_open(filesystem_, number, EXT2_FILE_WRITE, &handle)), "cutting {}", path);
  OpenFile file(handle);
  TRY(check(ext2fs_file_set_size2(handle, static_cast<ext2_off64_t>(length))), "cutting {}", path);
  TRY(check(ext2fs_file_close(file.release())), "cutting {}", path);
  changed_files_.insert(path);
  return {};
}

Result<> Ext4Volume::remove(const std::string& path) {
  const ext2_ino_t number = TRY(writable_file(path));
  const auto [parent, name] = split_path(path);
  const ext2_ino_t directory = TRY(lookup(parent));
  TRY(check(ext2fs_unlink(filesystem_, directory, name.c_str(), number, 0)), "removing {}", path);
  changed_files_.insert(path);
  ext2_inode inode = TRY(inode_of(number), "{}", path);
  if (inode.i_links_count > 1) {
    --inode.i_links_count;
    return check(ext2fs_write_inode(filesystem_, number, &inode));
  }
  TRY(check(ext2fs_punch(filesystem_, number, &inode, nullptr, 0, ~0ULL)), "freeing {}", path);
  inode.i_links_count = 0;
  inode.i_dtime = static_cast<__u32>(filesystem_->now);
  TRY(check(ext2fs_write_inode(filesystem_, number, &inode)), "freeing {}", path);
  ext2fs_inode_alloc_stats2(filesystem_, number, -1, 0);
  return {};
}

Result<> Ext4Volume::make_directory(const std::string& path) {
  const auto [parent, name] = split_path(path);
  const ext2_ino_t directory = TRY(lookup(parent));
  errcode_t code = ext2fs_mkdir(filesystem_, directory, 0, name.c_str());
  if (code == EXT2_ET_DIR_NO_SPACE) {
    TRY(check(ext2fs_expand_dir(filesystem_, directory)));
    code = ext2fs_mkdir(filesystem_, directory, 0, name.c_str());
  }
  return check(code);
}

Result<> Ext4Volume::make_directories(const std::string& path) {
  TRY(load_bitmaps());
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    const auto found = lookup(part);
    if (!found.ok()) {
      if (found.error().code() != ErrorCode::not_found) return found.error();
      TRY(make_directory(part), "making {}", part);
    }
    if (end == std::string::npos) return {};
  }
}

// The sum in the superblock is brought up to date only when the file system is unmounted; those of the groups
// are in the journal.
std::uint64_t Ext4Volume::free_bytes() const {
  std::uint64_t clusters = 0;
  for (dgrp_t group = 0; group < filesystem_->group_desc_count; ++group) {
    clusters += ext2fs_bg_free_blocks_count(filesystem_, group);
  }
  return EXT2FS_C2B(filesystem_, clusters) * filesystem_->blocksize;
}

}  // namespace rekindle
