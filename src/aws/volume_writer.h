// Writes an image through a volume that is attached to this proxy.
#pragma once

#include <memory>

#include "base/page_buffer.h"
#include "disk/block_device.h"
#include "site/recovery_target.h"

namespace rekindle {

// Hands the device whole blocks in memory by whole pages, as direct I/O wants them. complete(): all of it is
// on the volume. Memory: puts_in_flight() blocks.
class VolumeWriter final : public ImageWriter {
 public:
  explicit VolumeWriter(std::unique_ptr<BlockTarget> device) : device_(std::move(device)) {}

  // `invalid_argument` beyond the end of the volume.
  Result<> put_block(std::uint64_t index, ByteView content) override;
  // AWS recommends a queue of one for each 1000 IOPS
  // (docs.aws.amazon.com/ebs/latest/userguide/ebs-io-characteristics.html); the device makes two of each
  // write.
  std::size_t puts_in_flight() const override { return 16; }
  using ImageWriter::complete;
  Result<> complete(std::stop_token) override { return device_->flush(); }

 private:
  std::unique_ptr<BlockTarget> device_;
  PageBufferPool buffers_{image_block_bytes};
};

}  // namespace rekindle
