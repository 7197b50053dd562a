// The numbers of the NBD protocol, fixed newstyle. Source: the protocol's public specification, doc/proto.md
// of the network block device project. All integers on the wire are big-endian.
#pragma once

#include <cstdint>

namespace rekindle::nbd {

constexpr std::uint64_t server_magic = 0x4e42444d41474943;  // "NBDMAGIC"
constexpr std::uint64_t option_magic = 0x49484156454f5054;  // "IHAVEOPT"
constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
constexpr std::uint32_t request_magic = 0x25609513;
constexpr std::uint32_t simple_reply_magic = 0x67446698;
constexpr std::uint32_t structured_reply_magic = 0x668e33ef;

// What one request may carry, and what clients rely on without being told.
constexpr std::uint32_t longest_request = 32U << 20;
constexpr std::uint32_t longest_option = 16U << 10;

namespace handshake_flag {
constexpr std::uint16_t fixed_newstyle = 1;
constexpr std::uint16_t no_zeroes = 2;
}  // namespace handshake_flag

enum class Option : std::uint32_t {
  export_name = 1,
  abort = 2,
  list = 3,
  info = 6,
  go = 7,
  structured_reply = 8,
  list_meta_context = 9,
  set_meta_context = 10,
};

enum class OptionReply : std::uint32_t {
  ack = 1,
  server = 2,
  info = 3,
  meta_context = 4,
  unsupported = 0x80000001,
  invalid = 0x80000003,
  unknown = 0x80000006,  // no such export
  too_big = 0x80000009,
};

enum class Info : std::uint16_t { exported = 0, name = 1, description = 2, block_size = 3 };

namespace transmission_flag {
constexpr std::uint16_t has_flags = 1 << 0;
constexpr std::uint16_t read_only = 1 << 1;
constexpr std::uint16_t send_flush = 1 << 2;
constexpr std::uint16_t send_fua = 1 << 3;
constexpr std::uint16_t send_trim = 1 << 5;
constexpr std::uint16_t send_write_zeroes = 1 << 6;
constexpr std::uint16_t send_df = 1 << 7;
constexpr std::uint16_t can_multi_conn = 1 << 8;
constexpr std::uint16_t send_cache = 1 << 10;
}  // namespace transmission_flag

enum class Command : std::uint16_t {
  read = 0,
  write = 1,
  disconnect = 2,
  flush = 3,
  trim = 4,
  cache = 5,
  write_zeroes = 6,
  block_status = 7,
};

namespace command_flag {
constexpr std::uint16_t fua = 1 << 0;
constexpr std::uint16_t no_hole = 1 << 1;
constexpr std::uint16_t df = 1 << 2;
constexpr std::uint16_t req_one = 1 << 3;
constexpr std::uint16_t known = fua | no_hole | df | req_one;
}  // namespace command_flag

enum class Chunk : std::uint16_t { none = 0, offset_data = 1, block_status = 5, error = 32769 };
constexpr std::uint16_t chunk_done = 1;

namespace allocation {  // of the meta context base:allocation
constexpr std::uint32_t data = 0;
constexpr std::uint32_t hole_and_zero = 3;
}  // namespace allocation
constexpr std::uint32_t allocation_context_id = 1;

enum class Errno : std::uint32_t { none = 0, perm = 1, io = 5, inval = 22, nospc = 28, shutdown = 108 };

}  // namespace rekindle::nbd
