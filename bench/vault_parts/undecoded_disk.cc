#include "bench/vault_parts/undecoded_disk.h"

namespace rekindle {

Result<std::unique_ptr<UndecodedDisk>> UndecodedDisk::open(ObjectStore& store, BlockSource& like) {
  auto packs = TRY(store.list("data/"));
  std::uint64_t stored = 0;
  for (const ObjectInfo& pack : packs) stored += pack.size_bytes;
  const Extents data = TRY(like.data_extents({0, like.size()}));
  if (stored == 0 || data.empty()) return error(ErrorCode::invalid_argument, "the vault holds no data");
  const double stored_per_byte = static_cast<double>(stored) / static_cast<double>(total_length(data));
  return std::unique_ptr<UndecodedDisk>(new UndecodedDisk(store, like, std::move(packs), stored_per_byte));
}

// Every part of the packs once, however large the reads are.
Result<> UndecodedDisk::read_at(std::uint64_t offset, ByteSpan bytes) {
  const Extents data = TRY(like_.data_extents({offset, bytes.size()}));
  auto left = static_cast<std::uint64_t>(static_cast<double>(total_length(data)) * stored_per_byte_);
  Bytes part;
  while (left > 0) {
    const ObjectInfo* pack = nullptr;
    std::uint64_t begin = 0;
    {
      const std::lock_guard lock(mutex_);
      if (at_ >= packs_[pack_].size_bytes) {
        pack_ = (pack_ + 1) % packs_.size();
        at_ = 0;
      }
      pack = &packs_[pack_];
      begin = at_;
      part.resize(std::min(left, pack->size_bytes - begin));
      at_ += part.size();
    }
    TRY(store_.read_at(pack->name, begin, part));
    left -= part.size();
  }
  return {};
}

}  // namespace rekindle
