#include "vault/vault_disk.h"

#include <algorithm>

namespace rekindle {

Result<> VaultDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  if (offset > disk_.size_bytes || bytes.size() > disk_.size_bytes - offset) {
    return error(ErrorCode::invalid_argument, "reading bytes {} to {} of disk {}, which has {}", offset,
                 offset + bytes.size(), disk_.id, disk_.size_bytes);
  }
  TreeReader::PagePointer leaf;
  std::uint64_t leaf_number = UINT64_MAX;
  while (!bytes.empty()) {
    const std::uint64_t chunk = offset / chunk_bytes;
    if (chunk / page_children != leaf_number) {
      leaf = TRY(trees_.leaf_at(disk_.root, chunk));
      leaf_number = chunk / page_children;
    }
    const std::uint64_t skip = offset % chunk_bytes;
    const ByteSpan part = bytes.first(std::min<std::uint64_t>(bytes.size(), chunk_bytes - skip));
    TRY(read_chunk(leaf ? leaf->children[chunk % page_children] : Ref{}, skip, part));
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
  return {};
}

Result<std::shared_ptr<VaultDisk::Frame>> VaultDisk::load(const Place& place) {
  const std::pair key(place.pack, place.offset);
  if (auto known = frames_.find(key)) return known;
  auto payload = TRY(packs_.frame(ObjectKind::data, place));
  return frames_.insert(key, std::make_shared<Frame>(std::move(payload)));
}

Result<> VaultDisk::read_chunk(const Ref& ref, std::uint64_t skip, ByteSpan bytes) {
  if (ref.is_hole()) {
    std::ranges::fill(bytes, std::byte{0});
    return {};
  }
  Result<> read = read_chunk_at(ref, skip, bytes);
  if (read.ok()) return read;
  return finder_.try_elsewhere(ObjectKind::data, ref, read.error(), [&](const Place& place) {
    return read_chunk_at({ref.id, place}, skip, bytes);
  });
}

Result<> VaultDisk::read_chunk_at(const Ref& ref, std::uint64_t skip, ByteSpan bytes) {
  const auto frame = TRY(load(ref.place));
  bool right = ref.place.slot < frame->ids.size();
  if (right) {
    const ByteView chunk = ByteView(frame->content).subspan(ref.place.slot * chunk_bytes, chunk_bytes);
    {
      const std::lock_guard lock(frame->mutex);
      ContentId& id = frame->ids[ref.place.slot];
      if (id == hole_id) id = keys_.chunk_id(chunk);
      right = id == ref.id;
    }
    std::ranges::copy(chunk.subspan(skip, bytes.size()), bytes.begin());
  }
  if (right) return {};
  std::ranges::fill(bytes, std::byte{0});
  return damaged(pack_object_name(ObjectKind::data, ref.place.pack),
                 fmt::format("the chunk at byte {} is not the one that was asked for", ref.place.offset));
}

Result<Extents> VaultDisk::data_extents(Extent range) {
  if (range.offset > disk_.size_bytes || range.length > disk_.size_bytes - range.offset) {
    return error(ErrorCode::invalid_argument, "bytes {} to {} of disk {}, which has {}", range.offset,
                 range.end(), disk_.id, disk_.size_bytes);
  }
  return trees_.data_extents(disk_.root, range);
}

}  // namespace rekindle
