#include "aws/image_writer.h"

#include <algorithm>

namespace rekindle {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_poll{200};
constexpr milliseconds longest_poll{2000};
// When no call to seal was answered: long enough to see that one of them had sealed it. The next process asks
// again.
constexpr milliseconds after_silence{10000};

}  // namespace

Result<> EbsImageWriter::put_block(std::uint64_t index, ByteView content) {
  return put_digested({index, sha256(content)}, content);
}

Result<> EbsImageWriter::put_digested(const BlockDigest& block, ByteView content) {
  if (block.index >= block_count_ || content.size() != image_block_bytes) {
    return error(ErrorCode::invalid_argument,
                 "block {} of {} bytes does not fit into image {} of {} blocks of {} bytes", block.index,
                 content.size(), image_, block_count_, image_block_bytes);
  }
  if (!turns_.take(stop_)) return error(ErrorCode::cancelled, "stopped");
  TRY(ebs_.put_block(image_, block.index, content, block.sha256, recent_.grace(image_.str()), stop_));
  digests_.set(block.index, block.sha256);
  return {};
}

void EbsImageWriter::resume_from(const std::vector<BlockDigest>& already_put) {
  for (const BlockDigest& block : already_put) digests_.set(block.index, block.sha256);
}

Result<> EbsImageWriter::wait_until_complete(milliseconds within, const std::stop_token& stop) {
  const auto deadline = clock_.ticks() + within;
  for (milliseconds pause = first_poll;; pause = std::min(2 * pause, longest_poll)) {
    const auto found = ec2_.snapshots({.ids = {image_}, .tags = {}}, recent_.grace(image_.str()));
    const bool not_told = !found.ok() && found.error().transient();
    if (!found.ok() && (!not_told || clock_.ticks() >= deadline)) return found.error();
    if (found.ok() && found->empty()) return error(ErrorCode::not_found, "image {} is gone", image_);
    const std::string state = found.ok() ? found->front().state : "not known";
    if (state == "completed") return {};
    if (state == "error") {
      return error(ErrorCode::corrupt, "AWS could not complete image {}: {}", image_,
                   found->front().state_message);
    }
    if (clock_.ticks() >= deadline) {
      return error(ErrorCode::unavailable, "image {} was still '{}' after {}", image_, state,
                   human_duration(within));
    }
    if (!clock_.sleep(pause, stop)) return error(ErrorCode::cancelled, "cancelled by the user");
  }
}

// CompleteSnapshot has no client token. When an earlier call was done and its answer lost, or the process
// that made it died, a second one is refused: then the snapshot's state tells, and AWS may need as long for
// it as after a call that was answered. A finished copy is not thrown away for less.
Result<> EbsImageWriter::complete(std::stop_token stop) {
  const auto sealed =
      ebs_.complete_snapshot(image_, digests_.count(), digests_.linear(), recent_.grace(image_.str()));
  const bool unanswered = !sealed.ok() && sealed.error().transient();
  const bool may_be_sealed = sealed.ok() || unanswered ||
                             sealed.error().code() == ErrorCode::invalid_argument ||
                             sealed.error().code() == ErrorCode::already_exists;
  if (!may_be_sealed) return sealed;
  const auto completed = wait_until_complete(unanswered ? after_silence : complete_within_, stop);
  if (!completed.ok()) {
    const ErrorCode code = completed.error().code();
    const bool told = sealed.ok() || code == ErrorCode::cancelled || code == ErrorCode::corrupt;
    return told ? completed : sealed;
  }
  recent_.note(image_.str());  // listing its blocks may be too early for some seconds
  return {};
}

}  // namespace rekindle
