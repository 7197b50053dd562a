// The EBS direct APIs: snapshots read and written block by block, without a volume.
// https://docs.aws.amazon.com/ebs/latest/APIReference/ (version 2019-11-02).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/service_client.h"
#include "crypto/hash.h"
#include "model/ids.h"
#include "site/recovery_target.h"

namespace rekindle {

// Calls per second that AWS grants an account in a region; those of one snapshot are the same and cannot be
// raised. https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
//
// With small bursts: what is saved up goes through beside the rate, and AWS counts both.
struct EbsQuotas {
  Rate put{1000, 10};
  Rate get{1000, 10};
  Rate list{50, 2};
  Rate start{10, 1};
  Rate complete{10, 1};
  // Puts into one snapshot, and gets from one. AWS raises it for nobody; other endpoints may have none.
  Rate of_a_snapshot{1000, 10};
};

struct StartSnapshotRequest {
  std::uint64_t size_gib = 0;     // 1 to 65536
  std::optional<ImageId> parent;  // blocks not put are those of the parent
  std::string description;
  std::string client_token;  // at most 64 characters
  Tags tags;
  // The snapshot fails when nothing is put for so long (10 min to 3 days).
  std::chrono::minutes timeout{4320};
  // Only without a parent, whose encryption is inherited.
  bool encrypted = false;
  std::string kms_key_arn{};  // empty: the account's own
};

struct SnapshotBlock {
  std::uint64_t index = 0;
  std::string token;  // to read it with; valid for seven days
};

struct SnapshotBlockPage {
  std::vector<SnapshotBlock> blocks;  // may be empty although more follow
  std::string next_token;             // empty: this was the last page
  std::optional<Time> expires;        // of the block tokens
};

// Any number of threads; calls wait for their quota. Errors: `unavailable` (already retried),
// `unauthenticated`, `permission_denied`, `not_found`, `exhausted` (100 pending snapshots, ...),
// `invalid_argument`.
class EbsClient {
 public:
  // The references outlive this.
  EbsClient(std::unique_ptr<ServiceClient> service, const EbsQuotas& quotas, Clock& clock);

  const Rate& rate_of_a_snapshot() const { return of_a_snapshot_; }  // each writer and source keeps to it

  // The same token gives the same snapshot; `already_exists` when it was used for another request.
  // `failed_precondition` when the account encrypts by default and the parent is not encrypted.
  Result<ImageId> start_snapshot(const StartSnapshotRequest& request);

  // `content` is image_block_bytes long. Putting an index again replaces it. After StartSnapshot AWS may say
  // for a minute that the snapshot does not exist: not believed for `settle_for`. `corrupt` when the checksum
  // that AWS stored is not that of the content. Throttling is waited out, however long it lasts; `cancelled`
  // on stop.
  Result<> put_block(const ImageId& image, std::uint64_t index, ByteView content, const Sha256& digest,
                     std::chrono::milliseconds settle_for = {}, std::stop_token stop = {});

  // `linear_digest`: SHA-256 of the blocks' digests, in ascending order of index. Returns before the snapshot
  // is complete: describe it. `corrupt` when AWS refuses the checksum or the count.
  Result<> complete_snapshot(const ImageId& image, std::uint64_t block_count, const Sha256& linear_digest,
                             std::chrono::milliseconds settle_for = {});

  // One page of the blocks that exist, ascending; from `start_index`, or from a page token, which wins.
  Result<SnapshotBlockPage> list_blocks(const ImageId& image, std::uint64_t start_index,
                                        const std::string& page_token,
                                        std::chrono::milliseconds settle_for = {});

  // Indexes of the blocks in which `image` may differ from the earlier snapshot `since` of the same lineage.
  // `invalid_argument` when they are not related.
  Result<std::vector<std::uint64_t>> changed_blocks(const ImageId& image, const ImageId& since);

  // `failed_precondition`: the token is not valid any more, list again. `corrupt`: the bytes do not match the
  // checksum that came with them, three times.
  Result<Bytes> get_block(const ImageId& image, std::uint64_t index, const std::string& token);

  const ServiceClient& service() const { return *service_; }

 private:
  Result<Bytes> get_block_once(const ImageId& image, std::uint64_t index, const std::string& token);

  const std::unique_ptr<ServiceClient> service_;
  AttemptTime put_time_;
  CallQuota put_;
  CallQuota get_;
  CallQuota list_;
  CallQuota start_;
  CallQuota complete_;
  const Rate of_a_snapshot_;
};

}  // namespace rekindle
