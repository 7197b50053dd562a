// The words and sizes of the vault's format; docs/formats/vault.md is the contract.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace rekindle {

constexpr std::uint64_t chunk_bytes = 64 * kib;
constexpr std::size_t frame_chunks = 16;  // at most so many chunks lie in one frame
constexpr std::size_t frame_bytes = frame_chunks * chunk_bytes;
constexpr std::size_t longest_payload = frame_bytes;  // a reader accepts no frame with more
constexpr std::size_t page_children = 128;
constexpr int root_level = 4;
constexpr std::uint64_t largest_disk_bytes = chunk_bytes << 35;  // 128^5 chunks: 2 PiB

enum class ObjectKind : std::uint8_t {
  vault = 1,
  key = 2,
  data = 3,
  tree = 4,
  index = 5,
  point = 6,
  epoch = 7
};

// Of a chunk or a page: a MAC of the content under a key of the vault. All zeros: nothing there (a hole).
using ContentId = Sha256;
constexpr ContentId hole_id{};

using PackName = std::array<std::byte, 16>;

// Where a chunk or page lies: a frame of a pack, and which 64 KiB of the frame.
struct Place {
  PackName pack{};
  std::uint32_t offset = 0;  // of the sealed frame in the pack
  std::uint32_t length = 0;  // of the sealed frame
  std::uint8_t slot = 0;

  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Ref {
  ContentId id = hole_id;
  Place place;

  bool is_hole() const { return id == hole_id; }
};

// Ids and pack names are uniformly distributed already: their first bytes are as good as any hash of them.
struct UniformHash {
  std::size_t operator()(const ContentId& id) const { return load_le<std::uint64_t>(id.data()); }
  std::size_t operator()(const PackName& name) const { return load_le<std::uint64_t>(name.data()); }
};

// "data/3f/3f0c...".
std::string pack_object_name(ObjectKind kind, const PackName& pack);
// The reverse; false if the name is not a pack's.
bool parse_pack_object_name(std::string_view name, ObjectKind& kind, PackName& pack);

// `corrupt`, with the object's name and what to do about it.
Error damaged(std::string_view object_name, std::string_view detail);

}  // namespace rekindle
