#include "aws/volume_writer.h"

namespace rekindle {

Result<> VolumeWriter::put_block(std::uint64_t index, ByteView content) {
  const std::uint64_t blocks = device_->size() / image_block_bytes;
  if (content.size() != image_block_bytes || index >= blocks) {
    return error(ErrorCode::invalid_argument, "block {} of {} bytes does not fit into a volume of {} bytes",
                 index, content.size(), device_->size());
  }
  PageBuffer buffer = buffers_.take();
  copy_bytes(content, buffer.span());
  Result<> written = device_->write_at(index * image_block_bytes, buffer.view());
  buffers_.give_back(std::move(buffer));
  return written;
}

}  // namespace rekindle
