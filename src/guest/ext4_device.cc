#include "guest/ext4_device.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace rekindle {

namespace {

Ext4Device& device_of(io_channel channel) {
  return *static_cast<Ext4Device*>(channel->private_data);
}

// libext2fs hands its manager nothing but a name: ours is the address of the Ext4Device.
std::string name_of(const Ext4Device& device) {
  return fmt::format("{:x}", reinterpret_cast<std::uintptr_t>(&device));
}

Ext4Device* device_named(const char* name) {
  std::uintptr_t address = 0;
  const char* end = name + std::strlen(name);
  const auto [stop, failure] = std::from_chars(name, end, address, 16);
  if (failure != std::errc{} || stop != end) return nullptr;
  return reinterpret_cast<Ext4Device*>(address);  // NOLINT(performance-no-int-to-ptr): made by name_of
}

errcode_t open_channel(const char* name, int /*flags*/, io_channel* out);

errcode_t close_channel(io_channel channel) {
  if (--channel->refcount > 0) return 0;
  std::free(channel->name);
  delete channel;
  return 0;
}

errcode_t set_block_size(io_channel channel, int bytes) {
  channel->block_size = bytes;
  return 0;
}

// A count below zero is a number of bytes, else of blocks.
std::uint64_t length_of(io_channel channel, int count) {
  if (count < 0) return static_cast<std::uint64_t>(-static_cast<std::int64_t>(count));
  return static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(channel->block_size);
}

bool inside(io_channel channel, unsigned long long block, std::uint64_t length) {
  const std::uint64_t size = device_of(channel).volume.size();
  const auto block_bytes = static_cast<std::uint64_t>(channel->block_size);
  return length <= size && block <= (size - length) / block_bytes;
}

errcode_t keep_failure(Ext4Device& device, const Result<>& result, errcode_t code) {
  if (result.ok()) return 0;
  if (!device.failure) device.failure = result.error();
  return code;
}

errcode_t read_blocks(io_channel channel, unsigned long long block, int count, void* data) {
  const std::uint64_t length = length_of(channel, count);
  if (!inside(channel, block, length)) return EXT2_ET_SHORT_READ;
  Ext4Device& device = device_of(channel);
  const std::uint64_t offset = block * static_cast<std::uint64_t>(channel->block_size);
  const auto result = device.volume.read_at(offset, ByteSpan(static_cast<std::byte*>(data), length));
  return keep_failure(device, result, EXT2_ET_SHORT_READ);
}

errcode_t write_blocks(io_channel channel, unsigned long long block, int count, const void* data) {
  const std::uint64_t length = length_of(channel, count);
  if (!inside(channel, block, length)) return EXT2_ET_SHORT_WRITE;
  Ext4Device& device = device_of(channel);
  const std::uint64_t offset = block * static_cast<std::uint64_t>(channel->block_size);
  const auto result = device.volume.write_at(offset, ByteView(static_cast<const std::byte*>(data), length));
  return keep_failure(device, result, EXT2_ET_SHORT_WRITE);
}

errcode_t read_blocks_32(io_channel channel, unsigned long block, int count, void* data) {
  return read_blocks(channel, block, count, data);
}

errcode_t write_blocks_32(io_channel channel, unsigned long block, int count, const void* data) {
  return write_blocks(channel, block, count, data);
}

errcode_t write_bytes(io_channel channel, unsigned long offset, int size, const void* data) {
  Ext4Device& device = device_of(channel);
  const std::uint64_t volume_bytes = device.volume.size();
  if (size < 0 || offset > volume_bytes || static_cast<std::uint64_t>(size) > volume_bytes - offset) {
    return EXT2_ET_SHORT_WRITE;
  }
  const ByteView bytes(static_cast<const std::byte*>(data), static_cast<std::size_t>(size));
  return keep_failure(device, device.volume.write_at(offset, bytes), EXT2_ET_SHORT_WRITE);
}

errcode_t flush_channel(io_channel channel) {
  Ext4Device& device = device_of(channel);
  return keep_failure(device, device.volume.flush(), EXT2_ET_SHORT_WRITE);
}

io_manager block_target_manager() {
  static struct_io_manager manager = [] {
    struct_io_manager made{};
    made.magic = EXT2_ET_MAGIC_IO_MANAGER;
    made.name = "Rekindle block target";
    made.open = open_channel;
    made.close = close_channel;
    made.set_blksize = set_block_size;
    made.read_blk = read_blocks_32;
    made.write_blk = write_blocks_32;
    made.read_blk64 = read_blocks;
    made.write_blk64 = write_blocks;
    made.write_byte = write_bytes;
    made.flush = flush_channel;
    return made;
  }();
  return &manager;
}

errcode_t open_channel(const char* name, int /*flags*/, io_channel* out) {
  Ext4Device* device = device_named(name);
  if (device == nullptr) return EXT2_ET_BAD_DEVICE_NAME;
  auto* channel = new struct_io_channel{};
  channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  channel->manager = block_target_manager();
  channel->name = strdup(name);
  channel->block_size = 1024;
  channel->refcount = 1;
  channel->private_data = device;
  *out = channel;
  return 0;
}

}  // namespace

Result<ext2_filsys> open_filesystem(Ext4Device& device, bool writable) {
  static std::once_flag messages;
  std::call_once(messages, initialize_ext2_error_table);
  ext2_filsys filesystem = nullptr;
  // Multi-mount protection opens the device by its name, which is none here; nobody else has this volume
  // anyway.
  const int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | (writable ? EXT2_FLAG_RW : 0);
  const errcode_t code =
      ext2fs_open2(name_of(device).c_str(), nullptr, flags, 0, 0, block_target_manager(), &filesystem);
  if (code != 0) return filesystem_error(device, code);
  // Backups of the superblock are for e2fsck; the kernel does not write them either.
  filesystem->flags |= EXT2_FLAG_MASTER_SB_ONLY;
  return filesystem;
}

Error filesystem_error(Ext4Device& device, errcode_t code) {
  if (device.failure) return *std::exchange(device.failure, std::nullopt);
  switch (code) {
    case EXT2_ET_FILE_NOT_FOUND:
    case EXT2_ET_NO_DIRECTORY:
      return {ErrorCode::not_found, "there is no such file"};
    case EXT2_ET_BLOCK_ALLOC_FAIL:
      return {ErrorCode::exhausted, "the file system is full: free some space in the guest"};
    case EXT2_ET_INODE_ALLOC_FAIL:
      return {ErrorCode::exhausted, "the file system has no inode left: delete files in the guest"};
    case EXT2_ET_NO_MEMORY:  // here: nothing is wrong with the guest
      return {ErrorCode::unavailable, "there is not enough memory to read the file system"};
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
      return {ErrorCode::failed_precondition,
              "the file system uses features that are not known here (dumpe2fs -h lists them)"};
    default:
      break;
  }
  return error(ErrorCode::corrupt, "the file system is damaged ({}): run e2fsck on it in the guest",
               error_message(code));
}

}  // namespace rekindle
