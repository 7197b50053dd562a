// A disk is blocks: where bytes are read from, and where they are written to.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "disk/extent.h"

namespace rekindle {

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  virtual std::uint64_t size() const = 0;  // bytes
  // Exactly bytes.size() bytes from `offset`; offset + bytes.size() <= size(). Any number of threads.
  virtual Result<> read_at(std::uint64_t offset, ByteSpan bytes) = 0;
  // The parts of `range` that may hold something other than zeros. Reading elsewhere gives zeros.
  virtual Result<Extents> data_extents(Extent range) { return Extents{range}; }
  // A hint that this range will be read soon; returns at once, never fails, may do nothing.
  virtual void will_read(Extent /*range*/) {}
};

class BlockTarget : public BlockSource {
 public:
  virtual Result<> write_at(std::uint64_t offset, ByteView bytes) = 0;
  virtual Result<> write_zeros(std::uint64_t offset, std::uint64_t length);
  // After success, what was written survives a power cut.
  virtual Result<> flush() = 0;
};

}  // namespace rekindle
