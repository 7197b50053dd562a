#include "aws/ebs_client.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "net/url.h"

namespace rekindle {

namespace {

using nlohmann::json;

// AWS stores a block in about 100 ms. From outside AWS a put is seen now and then that is never answered.
constexpr std::chrono::milliseconds get_timeout{20000};
// Of a whole attempt, and what it may grow to: a line on which many puts share 10 Mbit/s is slow, not broken.
constexpr std::chrono::milliseconds put_timeout{60000};
constexpr std::chrono::milliseconds longest_put{600000};
constexpr std::chrono::milliseconds control_timeout{30000};
constexpr std::size_t page_blocks = 10000;
constexpr int read_attempts = 3;

Result<json> parse_object(const HttpResponse& response, std::string_view action) {
  json body = json::parse(response.body_text(), nullptr, false);
  if (!body.is_object()) return error(ErrorCode::internal, "{}: the answer is not a JSON object", action);
  return body;
}

std::string text_of(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Result<std::uint64_t> index_of(const json& block, std::string_view action) {
  const auto at = block.is_object() ? block.find("BlockIndex") : block.end();
  if (!block.is_object() || at == block.end() || !at->is_number_integer() || at->get<std::int64_t>() < 0) {
    return error(ErrorCode::internal, "{}: AWS listed a block without an index", action);
  }
  return at->get<std::uint64_t>();
}

// Seconds since 1970, with a fraction.
std::optional<Time> time_of(const json& object, const char* name) {
  const auto at = object.find(name);
  if (at == object.end() || !at->is_number()) return std::nullopt;
  return Time(std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(at->get<double>() * 1000))));
}

json start_body(const StartSnapshotRequest& request) {
  json body{{"VolumeSize", request.size_gib}, {"Timeout", request.timeout.count()}};
  if (request.parent) body["ParentSnapshotId"] = request.parent->str();
  if (request.encrypted && !request.parent) {
    body["Encrypted"] = true;
    if (!request.kms_key_arn.empty()) body["KmsKeyArn"] = request.kms_key_arn;
  }
  if (!request.description.empty()) body["Description"] = request.description;
  if (!request.client_token.empty()) body["ClientToken"] = request.client_token;
  for (const auto& [key, value] : request.tags) body["Tags"].push_back({{"Key", key}, {"Value", value}});
  return body;
}

ServiceCall control_call(std::string action, std::string method, std::string path) {
  ServiceCall call;
  call.action = std::move(action);
  call.path = std::move(path);
  call.request.method = std::move(method);
  call.request.timeout = control_timeout;
  return call;
}

// AWS compared what it has with what we said; a call that comes too late is refused in other words.
bool speaks_of_blocks(const AwsFault& fault) {
  return fault.message.find("hecksum") != std::string::npos ||
         fault.message.find("ChangedBlocksCount") != std::string::npos ||
         fault.reason.find("CHECKSUM") != std::string::npos;
}

std::string block_path(const ImageId& image, std::uint64_t index) {
  return fmt::format("/snapshots/{}/blocks/{}", percent_encode(image.str()), index);
}

}  // namespace

EbsClient::EbsClient(std::unique_ptr<ServiceClient> service, const EbsQuotas& quotas, Clock& clock)
    : service_(std::move(service)),
      put_time_(put_timeout, longest_put),
      put_(quotas.put, clock),
      get_(quotas.get, clock),
      list_(quotas.list, clock),
      start_(quotas.start, clock),
      complete_(quotas.complete, clock),
      of_a_snapshot_(quotas.of_a_snapshot) {}

Result<ImageId> EbsClient::start_snapshot(const StartSnapshotRequest& request) {
  ServiceCall call = control_call("StartSnapshot", "POST", "/snapshots");
  call.request.headers.add("Content-Type", "application/json");
  call.request.body = to_bytes(as_bytes(start_body(request).dump()));
  call.repeatable = !request.client_token.empty();
  call.makes = true;
  call.quota = &start_;
  const ServiceReply reply = TRY(service_->send(std::move(call)), "StartSnapshot");
  if (reply.fault) {
    const Error refused = service_->error_of(*reply.fault, "StartSnapshot");
    const bool of_encryption = reply.fault->message.find("ncrypt") != std::string::npos;
    if (!request.parent || !of_encryption || refused.code() != ErrorCode::invalid_argument) return refused;
    return error(
        ErrorCode::failed_precondition,
        "the account encrypts by default now; the parent {} is not encrypted, and nothing can follow "
        "it: begin anew without a parent ({})",
        *request.parent, refused.message());
  }
  const json body = TRY(parse_object(reply.response, "StartSnapshot"));
  std::string id = text_of(body, "SnapshotId");
  if (id.empty()) return error(ErrorCode::internal, "StartSnapshot: AWS answered without SnapshotId");
  return ImageId(std::move(id));
}

Result<> EbsClient::put_block(const ImageId& image, std::uint64_t index, ByteView content,
                              const Sha256& digest, std::chrono::milliseconds settle_for,
                              std::stop_token stop) {
  CHECK(content.size() == image_block_bytes);
  const std::string checksum = to_base64(digest);
  ServiceCall call = control_call("PutSnapshotBlock", "PUT", block_path(image, index));
  call.request.headers = {{"Content-Type", "application/octet-stream"},
                          {"x-amz-Data-Length", std::to_string(content.size())},
                          {"x-amz-Checksum", checksum},
                          {"x-amz-Checksum-Algorithm", "SHA256"}};
  call.request.borrowed_body = content;
  call.attempt_time = &put_time_;
  call.payload = Payload::unsigned_body;
  call.request.stop = std::move(stop);
  call.settle_for = settle_for;
  call.quota = &put_;
  call.patient = true;
  const ServiceReply reply = TRY(service_->send(std::move(call)), "putting block {} of {}", index, image);
  if (reply.fault) {
    return service_->error_of(*reply.fault, "PutSnapshotBlock")
        .context("putting block {} of {}", index, image);
  }
  const std::string_view stored = reply.response.headers.get("x-amz-Checksum");
  if (!stored.empty() && stored != checksum) {
    return error(ErrorCode::corrupt, "block {} of {} has the checksum {}, AWS stored {}", index, image,
                 checksum, stored);
  }
  return {};
}

Result<> EbsClient::complete_snapshot(const ImageId& image, std::uint64_t block_count,
                                      const Sha256& linear_digest, std::chrono::milliseconds settle_for) {
  ServiceCall call =
      control_call("CompleteSnapshot", "POST", "/snapshots/completion/" + percent_encode(image.str()));
  call.request.headers.add("x-amz-ChangedBlocksCount", std::to_string(block_count));
  if (block_count > 0) {
    call.request.headers.add("x-amz-Checksum", to_base64(linear_digest));
    call.request.headers.add("x-amz-Checksum-Algorithm", "SHA256");
    call.request.headers.add("x-amz-Checksum-Aggregation-Method", "LINEAR");
  }
  call.settle_for = settle_for;
  call.quota = &complete_;
  const ServiceReply reply = TRY(service_->send(std::move(call)), "CompleteSnapshot of {}", image);
  if (!reply.fault) return {};
  Error refused = service_->error_of(*reply.fault, "CompleteSnapshot").context("sealing {}", image);
  if (speaks_of_blocks(*reply.fault)) return Error(ErrorCode::corrupt, refused.message());
  return refused;
}

Result<SnapshotBlockPage> EbsClient::list_blocks(const ImageId& image, std::uint64_t start_index,
                                                 const std::string& page_token,
                                                 std::chrono::milliseconds settle_for) {
  QueryParameters query{{"maxResults", std::to_string(page_blocks)}};
  if (!page_token.empty()) {
    query.emplace_back("pageToken", page_token);
  } else if (start_index > 0) {
    query.emplace_back("startingBlockIndex", std::to_string(start_index));
  }
  ServiceCall call =
      control_call("ListSnapshotBlocks", "GET",
                   fmt::format("/snapshots/{}/blocks?{}", percent_encode(image.str()), encode_query(query)));
  call.settle_for = settle_for;
  call.quota = &list_;
  const HttpResponse response = TRY(service_->call(std::move(call)), "listing the blocks of {}", image);
  const json body = TRY(parse_object(response, "ListSnapshotBlocks"));
  SnapshotBlockPage page;
  page.next_token = text_of(body, "NextToken");
  page.expires = time_of(body, "ExpiryTime");
  for (const json& block : body.value("Blocks", json::array())) {
    const std::uint64_t index = TRY(index_of(block, "ListSnapshotBlocks"));
    page.blocks.push_back({index, text_of(block, "BlockToken")});
  }
  return page;
}

Result<std::vector<std::uint64_t>> EbsClient::changed_blocks(const ImageId& image, const ImageId& since) {
  std::vector<std::uint64_t> changed;
  std::string page_token;
  do {
    QueryParameters query{{"firstSnapshotId", since.str()}, {"maxResults", std::to_string(page_blocks)}};
    if (!page_token.empty()) query.emplace_back("pageToken", page_token);
    ServiceCall call = control_call(
        "ListChangedBlocks", "GET",
        fmt::format("/snapshots/{}/changedblocks?{}", percent_encode(image.str()), encode_query(query)));
    call.quota = &list_;
    const HttpResponse response =
        TRY(service_->call(std::move(call)), "listing what changed from {} to {}", since, image);
    const json body = TRY(parse_object(response, "ListChangedBlocks"));
    for (const json& block : body.value("ChangedBlocks", json::array())) {
      const std::uint64_t index = TRY(index_of(block, "ListChangedBlocks"));
      changed.push_back(index);
    }
    page_token = text_of(body, "NextToken");
  } while (!page_token.empty());
  return changed;
}

Result<Bytes> EbsClient::get_block_once(const ImageId& image, std::uint64_t index, const std::string& token) {
  ServiceCall call =
      control_call("GetSnapshotBlock", "GET",
                   fmt::format("{}?{}", block_path(image, index), encode_query({{"blockToken", token}})));
  call.request.timeout = get_timeout;
  call.request.max_response_bytes = 2 * image_block_bytes;
  call.quota = &get_;
  ServiceReply reply = TRY(service_->send(std::move(call)), "GetSnapshotBlock");
  if (reply.fault) {
    Error refused = service_->error_of(*reply.fault, "GetSnapshotBlock");
    if (reply.fault->reason == "INVALID_BLOCK_TOKEN")
      return Error(ErrorCode::failed_precondition, refused.message());
    return refused;
  }
  const std::string checksum = to_base64(sha256(reply.response.body));
  const std::string_view promised = reply.response.headers.get("x-amz-Checksum");
  if (reply.response.body.size() != image_block_bytes || promised != checksum) {
    return error(ErrorCode::corrupt, "AWS sent {} bytes with the checksum {} and announced {}",
                 reply.response.body.size(), checksum, promised.empty() ? "none" : promised);
  }
  return std::move(reply.response.body);
}

Result<Bytes> EbsClient::get_block(const ImageId& image, std::uint64_t index, const std::string& token) {
  for (int attempt = 1;; ++attempt) {
    auto block = get_block_once(image, index, token);
    if (block.ok()) return block;
    if (block.error().code() != ErrorCode::corrupt || attempt >= read_attempts) {
      return std::move(block).error().context("reading block {} of {}", index, image);
    }
  }
}

}  // namespace rekindle
