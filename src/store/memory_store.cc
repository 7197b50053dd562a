#include "store/memory_store.h"

namespace rekindle {

Result<> MemoryStore::put(const std::string& name, ByteView content) {
  TRY(check_object_name(name));
  auto copy = std::make_shared<const Bytes>(to_bytes(content));
  const std::lock_guard lock(mutex_);
  if (objects_.contains(name)) return error(ErrorCode::already_exists, "object {} exists", name);
  if (content.size() > capacity_bytes_ || used_bytes_ > capacity_bytes_ - content.size()) {
    return error(ErrorCode::exhausted,
                 "the store is full ({} used): free space or add some, then run it again",
                 human_bytes(used_bytes_));
  }
  used_bytes_ += content.size();
  objects_.emplace(name, Object{std::move(copy), clock_.now()});
  return {};
}

Result<MemoryStore::Content> MemoryStore::find(const std::string& name) {
  TRY(check_object_name(name));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return error(ErrorCode::not_found, "there is no object {}", name);
  return found->second.content;
}

Result<Bytes> MemoryStore::get(const std::string& name) {
  const Content content = TRY(find(name));
  return *content;
}

Result<> MemoryStore::read_at(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
  const Content content = TRY(find(name));
  if (offset > content->size() || bytes.size() > content->size() - offset) {
    return error(ErrorCode::corrupt, "object {} has {} bytes, too few to read {} at {}", name,
                 content->size(), bytes.size(), offset);
  }
  std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(offset), bytes.size(), bytes.begin());
  return {};
}

Result<std::uint64_t> MemoryStore::size(const std::string& name) {
  const Content content = TRY(find(name));
  return content->size();
}

Result<std::vector<ObjectInfo>> MemoryStore::list(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectInfo> found;
  for (auto it = objects_.lower_bound(prefix); it != objects_.end() && it->first.starts_with(prefix); ++it) {
    found.push_back({it->first, it->second.content->size(), it->second.put_at});
  }
  return found;
}

Result<> MemoryStore::remove(const std::string& name) {
  TRY(check_object_name(name));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return {};
  used_bytes_ -= found->second.content->size();
  objects_.erase(found);
  return {};
}

void MemoryStore::set_capacity(std::uint64_t capacity_bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = capacity_bytes;
}

void MemoryStore::replace(const std::string& name, Bytes content) {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(name);
  CHECK(found != objects_.end());
  used_bytes_ = used_bytes_ - found->second.content->size() + content.size();
  found->second.content = std::make_shared<const Bytes>(std::move(content));
}

}  // namespace rekindle
