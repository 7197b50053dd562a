// Reads one completed EBS snapshot through the direct APIs.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "aws/ebs_client.h"
#include "base/token_bucket.h"
#include "disk/block_device.h"

namespace rekindle {

// Reads whole blocks of 512 KiB and keeps the last few. Which blocks exist is held as extents, and their
// tokens (some hundred bytes each, valid for days) in windows that are listed again when needed: 16 TiB would
// otherwise be gigabytes. Memory: cached_blocks * 512 KiB, and cached_windows * 2048 tokens.
class EbsImageSource final : public BlockSource {
 public:
  // Lists all blocks. The references outlive the source. `settle_for`: see EbsClient.
  static Result<std::unique_ptr<EbsImageSource>> open(const ImageId& image, std::uint64_t size_bytes,
                                                      EbsClient& ebs, Clock& clock,
                                                      std::chrono::milliseconds settle_for);

  std::uint64_t size() const override { return size_bytes_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override;
  Result<Extents> data_extents(Extent range) override;

 private:
  static constexpr std::size_t cached_blocks = 32;
  static constexpr std::size_t cached_windows = 64;
  static constexpr std::uint64_t window_blocks = 2048;  // 1 GiB of the disk

  using Block = std::shared_ptr<const Bytes>;
  struct Window {
    std::unordered_map<std::uint64_t, std::string> tokens;
    Time expires;
  };

  EbsImageSource(ImageId image, std::uint64_t size_bytes, EbsClient& ebs, Clock& clock)
      : image_(std::move(image)), size_bytes_(size_bytes), ebs_(ebs), clock_(clock) {}
  Result<> list_all(std::chrono::milliseconds settle_for);
  void keep_tokens(const SnapshotBlockPage& page);
  bool exists(std::uint64_t index) const;
  Block find_cached(std::uint64_t index);
  void cache(std::uint64_t index, Block block);
  Result<Block> load(std::uint64_t index);
  Result<std::string> token_of(std::uint64_t index);
  Result<Window> list_window(std::uint64_t number);
  void forget_window(std::uint64_t number);

  const ImageId image_;
  const std::uint64_t size_bytes_;
  EbsClient& ebs_;
  Clock& clock_;
  TokenBucket turns_{ebs_.rate_of_a_snapshot(), clock_};
  Extents data_;  // constant once open

  std::mutex mutex_;                                   // of what follows
  std::list<std::pair<std::uint64_t, Block>> blocks_;  // last used first
  std::map<std::uint64_t, Window> windows_;
};

}  // namespace rekindle
