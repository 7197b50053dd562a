// Writes one EBS snapshot through the direct APIs.
#pragma once

#include <atomic>
#include <chrono>

#include "aws/block_digests.h"
#include "aws/ebs_client.h"
#include "aws/ec2_client.h"
#include "aws/recently_made.h"
#include "base/token_bucket.h"

namespace rekindle {

class EbsImageWriter final : public ImageWriter {
 public:
  // The references outlive this. `complete_within`: how long complete() waits for AWS to finish the snapshot.
  EbsImageWriter(ImageId image, std::uint64_t size_bytes, EbsClient& ebs, Ec2Client& ec2,
                 RecentlyMade& recent, Clock& clock, std::chrono::milliseconds complete_within)
      : image_(std::move(image)),
        block_count_(size_bytes / image_block_bytes),
        ebs_(ebs),
        ec2_(ec2),
        recent_(recent),
        clock_(clock),
        complete_within_(complete_within) {}

  // `invalid_argument` beyond the end of the image.
  Result<> put_block(std::uint64_t index, ByteView content) override;
  Result<> put_digested(const BlockDigest& block, ByteView content) override;
  bool needs_digests() const override { return true; }
  // A put takes about 100 ms at AWS, which grants 1000 of them a second to one connection each: 100 on the
  // way use that up (docs.aws.amazon.com/ebs/latest/userguide/ebsapi-performance.html). Some are slower, and
  // from afar all are; 128 blocks are 64 MiB; what is read ahead is half as much.
  std::size_t puts_in_flight() const override { return 128; }
  void stop_with(std::stop_token stop) override { stop_ = std::move(stop); }
  std::vector<BlockDigest> put_so_far() const override { return digests_.all(); }
  void resume_from(const std::vector<BlockDigest>& already_put) override;
  using ImageWriter::complete;
  Result<> complete(std::stop_token stop) override;

 private:
  Result<> wait_until_complete(std::chrono::milliseconds within, const std::stop_token& stop);

  const ImageId image_;
  const std::uint64_t block_count_;
  EbsClient& ebs_;
  Ec2Client& ec2_;
  RecentlyMade& recent_;
  Clock& clock_;
  const std::chrono::milliseconds complete_within_;
  TokenBucket turns_{ebs_.rate_of_a_snapshot(), clock_};
  BlockDigests digests_;
  std::stop_token stop_;
};

}  // namespace rekindle
