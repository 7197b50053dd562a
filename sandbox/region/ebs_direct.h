// The EBS direct APIs, 2019-11-02 (https://docs.aws.amazon.com/ebs/latest/APIReference/): snapshots written
// and read block by block, without a volume. JSON and headers in, JSON or a block out.
#pragma once

#include <map>
#include <optional>
#include <shared_mutex>
#include <string>

#include "net/http.h"
#include "sandbox/region/cloud.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/tokens.h"

namespace rekindle::sandbox {

// Which call a request is. `action` is empty if it is none.
struct EbsRoute {
  std::string action;
  std::string snapshot_id;
  std::uint64_t block_index = 0;
};
EbsRoute ebs_route(const HttpRequest& request);

HttpResponse ebs_refusal(const Refusal& refusal);

// Any thread. Blocks are hashed, read and written outside of the cloud's mutex.
class EbsDirect {
 public:
  // `cloud` outlives this.
  explicit EbsDirect(Cloud& cloud) : cloud_(cloud), tokens_(cloud.state().secret()) {}
  HttpResponse answer(const HttpRequest& request, const EbsRoute& route);

 private:
  // A completed snapshot and its blocks.
  struct Readable {
    Snapshot snapshot;
    LayerChain chain;
  };
  // Ascending indexes from `first` on that a listing has looked at, and whether there are more.
  struct Window {
    std::vector<std::uint64_t> indexes;
    std::optional<std::uint64_t> next;
  };
  struct Listing {
    std::string subject;  // of the page tokens
    std::uint64_t first = 0;
    std::uint64_t limit = 0;
    std::int64_t token_expiry_ms = 0;
  };

  Outcome<HttpResponse> dispatch(const HttpRequest& request, const EbsRoute& route);
  Outcome<HttpResponse> start_snapshot(const HttpRequest& request);
  Outcome<HttpResponse> put_block(const HttpRequest& request, const EbsRoute& route);
  Outcome<HttpResponse> complete(const HttpRequest& request, const EbsRoute& route);
  Outcome<HttpResponse> list_blocks(const HttpRequest& request, const EbsRoute& route);
  Outcome<HttpResponse> list_changed(const HttpRequest& request, const EbsRoute& route);
  Outcome<HttpResponse> get_block(const HttpRequest& request, const EbsRoute& route);

  Outcome<Snapshot> new_snapshot(const nlohmann::json& body);
  Outcome<> inherit(Snapshot& snapshot, const nlohmann::json& body);
  nlohmann::json started_json(const Snapshot& snapshot) const;
  Outcome<Snapshot> require_snapshot(const std::string& id);
  Outcome<Snapshot> require_open(const std::string& id);
  Outcome<> note_put(Snapshot snapshot);
  Outcome<Bytes> linear_checksum(const Snapshot& snapshot, const Qcow2Layer& layer,
                                 const std::vector<std::uint64_t>& written);
  Outcome<Readable> require_readable(const std::string& id);
  Outcome<Listing> listing_of(const HttpRequest& request, const std::string& subject);
  nlohmann::json page_json(const Listing& listing, const Snapshot& snapshot,
                           std::optional<std::uint64_t> next);
  std::string block_token(const std::string& snapshot_id, std::uint64_t index, std::int64_t expires_ms) const;

  Cloud& cloud_;
  const Tokens tokens_;
  // Puts hold it shared, CompleteSnapshot alone: no block comes into a layer that is being sealed.
  std::shared_mutex writing_;
  std::mutex digests_mutex_;
  // Of the blocks put since the server's start, by snapshot; what is missing is read again.
  std::map<std::string, std::map<std::uint64_t, Bytes>> digests_;
};

}  // namespace rekindle::sandbox
