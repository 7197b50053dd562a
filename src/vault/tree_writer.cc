#include "vault/tree_writer.h"

#include <algorithm>

namespace rekindle {

std::size_t TreeWriter::children_of(int level, std::uint64_t index) const {
  const std::uint64_t step = chunks_per_child(level);
  const std::uint64_t all = (chunks_ + step - 1) / step;
  return std::min<std::uint64_t>(page_children, all - index * page_children);
}

bool TreeWriter::recorded_before(int level, std::uint64_t child) const {
  std::uint64_t above = child;
  for (auto at = static_cast<std::size_t>(level); at < begun_.size(); ++at, above /= page_children) {
    const auto node = begun_[at].find(above / page_children);
    if (node != begun_[at].end()) {
      if (node->second.decided.test(above % page_children)) return true;
      break;  // its own ancestors were looked at when it was begun
    }
  }
  std::uint64_t first = child;
  std::uint64_t end = child + 1;
  for (int at = level - 1; at >= 0; --at) {  // pages of level `at` that lie in the child
    const auto& begun = begun_[static_cast<std::size_t>(at)];
    const auto inside = begun.lower_bound(first);
    if (inside != begun.end() && inside->first < end) return true;
    first *= page_children;
    end *= page_children;
  }
  return root_.has_value();
}

Result<> TreeWriter::record_child(int level, std::uint64_t child, const Ref& ref) {
  if (level > root_level) {
    const std::lock_guard lock(mutex_);
    root_ = ref;
    return {};
  }
  const std::uint64_t index = child / page_children;
  Node complete_node;
  {
    const std::lock_guard lock(mutex_);
    if (recorded_before(level, child)) {
      return error(ErrorCode::invalid_argument, "the part of the disk from byte {} on was written twice",
                   child * chunks_per_child(level) * chunk_bytes);
    }
    auto& begun = begun_[static_cast<std::size_t>(level)];
    Node& node = begun[index];
    node.page.level = static_cast<std::uint8_t>(level);
    node.page.children[child % page_children] = ref;
    node.decided.set(child % page_children);
    if (node.decided.count() < children_of(level, index)) return {};
    complete_node = node;
    begun.erase(index);
  }
  return complete(level, index, complete_node.page);
}

Result<> TreeWriter::complete(int level, std::uint64_t index, const TreePage& page) {
  if (is_empty(page)) return record_child(level + 1, index, Ref{});
  // The page may be the parent's: then nothing is stored, wherever else it may lie.
  Ref ref = parent_;
  if (level < root_level)
    ref = TRY(reader_.child_at(parent_, level + 1, index * chunks_per_child(level + 1)));
  if (ref.id != page_id(keys_, page)) ref = TRY(store_(page));
  return record_child(level + 1, index, ref);
}

Result<> TreeWriter::record_hole(std::uint64_t first, std::uint64_t end) {
  while (first < end) {
    // The largest subtree that begins here and lies in the range, or reaches the end of the disk with it.
    int level = 0;
    while (level < root_level) {
      const std::uint64_t step = chunks_per_child(level + 1);
      if (first % step != 0 || (first + step > end && end < chunks_)) break;
      ++level;
    }
    const std::uint64_t step = chunks_per_child(level);
    TRY(record_child(level, first / step, Ref{}));
    first += step;
  }
  return {};
}

Result<> TreeWriter::inherit_undecided(int level, std::uint64_t index, Node& node) {
  Ref ref = parent_;
  if (level < root_level)
    ref = TRY(reader_.child_at(parent_, level + 1, index * chunks_per_child(level + 1)));
  const auto page = TRY(reader_.load(ref, level));
  if (!page) return {};
  for (std::size_t i = 0; i < page_children; ++i) {
    if (!node.decided.test(i)) node.page.children[i] = page->children[i];
  }
  return {};
}

Result<Ref> TreeWriter::finish() {
  for (int level = 0; level <= root_level; ++level) {
    auto& begun = begun_[static_cast<std::size_t>(level)];
    while (!begun.empty()) {
      auto [index, node] = *begun.begin();
      begun.erase(begun.begin());
      TRY(inherit_undecided(level, index, node));
      TRY(complete(level, index, node.page));
    }
  }
  return root_.value_or(parent_);
}

}  // namespace rekindle
