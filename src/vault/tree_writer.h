// Builds the tree of one disk of a new recovery point, on top of the parent's.
#pragma once

#include <bitset>
#include <functional>
#include <map>
#include <mutex>

#include "vault/tree_reader.h"

namespace rekindle {

// Any number of threads may record, each chunk at most once (`invalid_argument`). A page whose children are
// all decided is stored at once; the memory is that of the pages that are begun (8 KiB each).
class TreeWriter {
 public:
  // Stores a page, or finds it stored; the result's id is the page's id.
  using StorePage = std::function<Result<Ref>(const TreePage& page)>;

  // `reader` outlives this. `parent`: the root to inherit from; a hole if there is none.
  TreeWriter(TreeReader& reader, const VaultKeys& keys, std::uint64_t size_bytes, const Ref& parent,
             StorePage store)
      : reader_(reader),
        keys_(keys),
        chunks_(chunk_count(size_bytes)),
        parent_(parent),
        store_(std::move(store)) {}

  std::uint64_t chunks() const { return chunks_; }
  const Ref& parent() const { return parent_; }

  // Chunk number `chunk` is `ref`.
  Result<> record(std::uint64_t chunk, const Ref& ref) { return record_child(0, chunk, ref); }
  // Chunks [first, end) are holes.
  Result<> record_hole(std::uint64_t first, std::uint64_t end);
  // What was not recorded is the parent's. The root; a hole if the disk holds nothing but zeros.
  Result<Ref> finish();

 private:
  struct Node {
    TreePage page;
    std::bitset<page_children> decided;
  };
  std::size_t children_of(int level, std::uint64_t index) const;
  // Whether anything in or above child `child` of `level` was recorded before. The lock is held.
  bool recorded_before(int level, std::uint64_t child) const;
  // Child number `child` of its level (0: chunks), counted over the whole disk, is `ref`.
  Result<> record_child(int level, std::uint64_t child, const Ref& ref);
  // Stores the complete page `index` of `level` and records it one level up.
  Result<> complete(int level, std::uint64_t index, const TreePage& page);
  Result<> inherit_undecided(int level, std::uint64_t index, Node& node);

  TreeReader& reader_;
  const VaultKeys& keys_;
  const std::uint64_t chunks_;
  const Ref parent_;
  const StorePage store_;

  std::mutex mutex_;
  std::array<std::map<std::uint64_t, Node>, root_level + 1> begun_;
  std::optional<Ref> root_;
};

}  // namespace rekindle
