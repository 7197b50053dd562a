// A disk in memory: the small real fake of every test.
#pragma once

#include "disk/block_device.h"

namespace rekindle {

class MemoryDisk final : public BlockTarget {
 public:
  explicit MemoryDisk(std::uint64_t size) : content_(size) {}
  explicit MemoryDisk(Bytes content) : content_(std::move(content)) {}

  std::uint64_t size() const override { return content_.size(); }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  // By 4 KiB pages that are not all zero.
  Result<Extents> data_extents(Extent range) override;
  Result<> write_at(std::uint64_t offset, ByteView bytes) override;
  Result<> flush() override { return {}; }

  const Bytes& content() const { return content_; }

 private:
  Bytes content_;
};

}  // namespace rekindle
