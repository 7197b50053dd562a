// A page of the tree that maps positions on a disk to chunks.
#pragma once

#include <array>

#include "vault/vault_keys.h"

namespace rekindle {

// Level 0: children are chunks. Level n: children are pages of level n - 1. A hole is a child without data.
struct TreePage {
  std::uint8_t level = 0;
  std::array<Ref, page_children> children;
};

bool is_empty(const TreePage& page);
// Depends on the level and the ids of the children, not on their places.
ContentId page_id(const VaultKeys& keys, const TreePage& page);
Bytes encode_page(const TreePage& page);
// The bytes were authenticated, yet nothing in them is trusted: `corrupt`.
Result<TreePage> decode_page(ByteView bytes);

// How many chunks one child of a page of `level` stands for.
constexpr std::uint64_t chunks_per_child(int level) {
  std::uint64_t chunks = 1;
  for (int i = 0; i < level; ++i) chunks *= page_children;
  return chunks;
}
constexpr std::uint64_t chunk_count(std::uint64_t size_bytes) {
  return (size_bytes + chunk_bytes - 1) / chunk_bytes;
}

}  // namespace rekindle
