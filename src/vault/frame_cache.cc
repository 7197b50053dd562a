#include "vault/frame_cache.h"

namespace rekindle {

void CachedFrame::fulfil(Result<Bytes> payload) {
  const std::lock_guard lock(mutex_);
  CHECK(!payload_);
  if (payload.ok()) ids_.resize(payload->size() / chunk_bytes);
  payload_ = std::move(payload);
  arrived_.notify_all();
}

bool CachedFrame::fulfilled() const {
  const std::lock_guard lock(mutex_);
  return payload_.has_value();
}

Result<> CachedFrame::wait() const {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return payload_.has_value(); });
  if (!payload_->ok()) return payload_->error();
  return {};
}

bool CachedFrame::copy_chunk(const VaultKeys& keys, const Ref& ref, std::uint64_t skip, ByteSpan bytes) {
  const std::size_t slot = ref.place.slot;
  const std::lock_guard lock(mutex_);
  if (slot >= ids_.size()) return false;
  const ByteView chunk = ByteView(**payload_).subspan(slot * chunk_bytes, chunk_bytes);
  if (ids_[slot] == hole_id) ids_[slot] = keys.chunk_id(chunk);
  if (ids_[slot] != ref.id) return false;
  copy_bytes(chunk.subspan(skip, bytes.size()), bytes);
  return true;
}

FrameCache::Claim FrameCache::claim(const Place& place) {
  if (auto known = frames_.find(key(place))) return {known, false};
  auto made = std::make_shared<CachedFrame>();
  auto there = frames_.insert(key(place), made, chunk_bytes);
  const bool ours = there == made;
  return {std::move(there), ours};
}

}  // namespace rekindle
