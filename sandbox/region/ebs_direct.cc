// Routes, errors and the reading half: ListSnapshotBlocks, ListChangedBlocks, GetSnapshotBlock.
#include "sandbox/region/ebs_direct.h"

#include <algorithm>
#include <charconv>

#include "net/url.h"
#include "sandbox/region/digest.h"
#include "sandbox/region/ebs_refusals.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr std::uint64_t block_bytes = Qcow2Layer::cluster_bytes;
constexpr std::uint64_t least_results = 100, most_results = 10000;

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(path.starts_with('/') ? 1 : 0);
    const auto end = path.find('/');
    segments.push_back(percent_decode(path.substr(0, end)));
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  }
  return segments;
}

std::string parameter(const HttpRequest& request, std::string_view name) {
  for (auto& [key, value] : parse_query(request.query, false)) {
    if (key == name) return value;
  }
  return "";
}

HttpResponse json_answer(int status, const json& body) {
  return HttpResponse::text(status, "application/json", body.dump());
}

double epoch_seconds(std::int64_t milliseconds) {
  return static_cast<double>(milliseconds) / 1000.0;
}

}  // namespace

EbsRoute ebs_route(const HttpRequest& request) {
  const auto path = segments_of(request.raw_path);
  if (path.empty() || path[0] != "snapshots") return {};
  const bool get = request.method == "GET", post = request.method == "POST";
  if (post && path.size() == 1) return {"StartSnapshot", "", 0};
  if (post && path.size() == 3 && path[1] == "completion") return {"CompleteSnapshot", path[2], 0};
  if (get && path.size() == 3 && path[2] == "blocks") return {"ListSnapshotBlocks", path[1], 0};
  if (get && path.size() == 3 && path[2] == "changedblocks") return {"ListChangedBlocks", path[1], 0};
  if (path.size() != 4 || path[2] != "blocks") return {};
  const auto index = to_number(path[3]);
  if (!index || (!get && request.method != "PUT")) return {};
  return {get ? "GetSnapshotBlock" : "PutSnapshotBlock", path[1], *index};
}

HttpResponse ebs_refusal(const Refusal& refusal) {
  json body = {{"Message", refusal.message}};
  if (!refusal.reason.empty()) body["Reason"] = refusal.reason;
  HttpResponse response = json_answer(refusal.status, body);
  response.headers.set("x-amzn-ErrorType",
                       refusal.code == "InternalError" ? "InternalServerException" : refusal.code);
  return response;
}

HttpResponse EbsDirect::answer(const HttpRequest& request, const EbsRoute& route) {
  auto answered = dispatch(request, route);
  if (answered.ok()) return std::move(answered).value();
  return ebs_refusal(std::move(answered).error());
}

Outcome<HttpResponse> EbsDirect::dispatch(const HttpRequest& request, const EbsRoute& route) {
  if (route.action == "StartSnapshot") return start_snapshot(request);
  if (route.action == "PutSnapshotBlock") return put_block(request, route);
  if (route.action == "CompleteSnapshot") return complete(request, route);
  if (route.action == "ListSnapshotBlocks") return list_blocks(request, route);
  if (route.action == "ListChangedBlocks") return list_changed(request, route);
  if (route.action == "GetSnapshotBlock") return get_block(request, route);
  return Refusal{"UnknownOperationException", "The EBS direct APIs have no such call", 404};
}

Outcome<Snapshot> EbsDirect::require_snapshot(const std::string& id) {
  auto snapshot = cloud_.state().find<Snapshot>(id);
  if (!snapshot || cloud_.hidden(*snapshot)) return ebs_snapshot_not_found(id);
  return *std::move(snapshot);
}

Outcome<EbsDirect::Readable> EbsDirect::require_readable(const std::string& id) {
  const std::lock_guard lock(cloud_.mutex());
  Snapshot snapshot = TRY(require_snapshot(id));
  if (snapshot.state != "completed") {
    return ebs_invalid("INVALID_SNAPSHOT_ID", "The snapshot '{}' is '{}', it must be 'completed' to be read.",
                       id, snapshot.state);
  }
  LayerChain chain = TRY(cloud_.layers().chain(snapshot.layer_id));
  return Readable{std::move(snapshot), std::move(chain)};
}

std::string EbsDirect::block_token(const std::string& snapshot_id, std::uint64_t index,
                                   std::int64_t expires_ms) const {
  return tokens_.make("block " + snapshot_id, index, expires_ms);
}

Outcome<EbsDirect::Listing> EbsDirect::listing_of(const HttpRequest& request, const std::string& subject) {
  const std::string limit_text = parameter(request, "maxResults"),
                    first_text = parameter(request, "startingBlockIndex");
  const auto limit = limit_text.empty() ? std::optional(most_results) : to_number(limit_text);
  if (!limit || *limit < least_results || *limit > most_results) {
    return ebs_invalid("INVALID_PARAMETER_VALUE", "maxResults is '{}'; it must be from {} to {}", limit_text,
                       least_results, most_results);
  }
  auto first = first_text.empty() ? std::optional<std::uint64_t>(0) : to_number(first_text);
  if (!first)
    return ebs_invalid("INVALID_PARAMETER_VALUE", "startingBlockIndex is '{}', which is not a number",
                       first_text);
  // A page token wins over startingBlockIndex.
  if (const std::string token = parameter(request, "pageToken"); !token.empty()) {
    first = tokens_.open(subject, token, cloud_.now_ms());
    if (!first)
      return ebs_invalid("INVALID_PAGE_TOKEN",
                         "The page token is not one of this listing, or it has expired");
  }
  return Listing{subject, *first, *limit, cloud_.now_ms() + cloud_.options().block_token_life.count()};
}

json EbsDirect::page_json(const Listing& listing, const Snapshot& snapshot,
                          std::optional<std::uint64_t> next) {
  json page = {{"ExpiryTime", epoch_seconds(listing.token_expiry_ms)},
               {"VolumeSize", snapshot.size_gib},
               {"BlockSize", block_bytes}};
  if (next) {
    page["NextToken"] =
        tokens_.make(listing.subject, *next, cloud_.now_ms() + cloud_.options().page_token_life.count());
  }
  return page;
}

Outcome<HttpResponse> EbsDirect::list_blocks(const HttpRequest& request, const EbsRoute& route) {
  const Readable readable = TRY(require_readable(route.snapshot_id));
  const Listing listing = TRY(listing_of(request, "list " + route.snapshot_id));
  const auto scanned = readable.chain.allocated(listing.first, listing.limit, readable.chain.depth());
  json blocks = json::array();
  for (const std::uint64_t index : scanned) {
    if (!readable.chain.present(index)) continue;
    blocks.push_back({{"BlockIndex", index},
                      {"BlockToken", block_token(route.snapshot_id, index, listing.token_expiry_ms)}});
  }
  // maxResults counts what was looked at: the last page may be empty.
  const auto next = scanned.size() == listing.limit ? std::optional(scanned.back() + 1) : std::nullopt;
  json page = page_json(listing, readable.snapshot, next);
  page["Blocks"] = std::move(blocks);
  return json_answer(200, page);
}

namespace {

// How many upper layers of each chain lie above the newest layer that both have; false if they have none.
struct Fork {
  std::size_t first_depth = 0, second_depth = 0;
  bool related = false;
};

Fork fork_of(const std::vector<std::string>& first, const std::vector<std::string>& second) {
  for (std::size_t depth = 0; depth < second.size(); ++depth) {
    const auto common = std::find(first.begin(), first.end(), second[depth]);
    if (common != first.end()) return {static_cast<std::size_t>(common - first.begin()), depth, true};
  }
  return {};
}

std::vector<std::uint64_t> merge(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b,
                                 std::uint64_t limit) {
  std::vector<std::uint64_t> merged;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(merged));
  if (merged.size() > limit) merged.resize(limit);
  return merged;
}

}  // namespace

Outcome<HttpResponse> EbsDirect::list_changed(const HttpRequest& request, const EbsRoute& route) {
  const std::string first_id = parameter(request, "firstSnapshotId");
  const Readable second = TRY(require_readable(route.snapshot_id));
  const Listing listing = TRY(listing_of(request, "changed " + first_id + " " + route.snapshot_id));
  LayerChain first_chain({});
  Fork fork{0, second.chain.depth(), true};
  if (!first_id.empty()) {
    const Readable first = TRY(require_readable(first_id));
    fork = fork_of(cloud_.layers().lineage(first.snapshot.layer_id),
                   cloud_.layers().lineage(second.snapshot.layer_id));
    if (!fork.related)
      return ebs_invalid("UNRELATED_SNAPSHOTS", "{} and {} are not related", first_id, route.snapshot_id);
    first_chain = first.chain;
  }
  const auto scanned =
      merge(first_chain.allocated(listing.first, listing.limit, fork.first_depth),
            second.chain.allocated(listing.first, listing.limit, fork.second_depth), listing.limit);
  json blocks = json::array();
  for (const std::uint64_t index : scanned) {
    json block = {{"BlockIndex", index}};
    if (first_chain.present(index))
      block["FirstBlockToken"] = block_token(first_id, index, listing.token_expiry_ms);
    if (second.chain.present(index))
      block["SecondBlockToken"] = block_token(route.snapshot_id, index, listing.token_expiry_ms);
    if (block.size() > 1) blocks.push_back(std::move(block));
  }
  const auto next = scanned.size() == listing.limit ? std::optional(scanned.back() + 1) : std::nullopt;
  json page = page_json(listing, second.snapshot, next);
  page["ChangedBlocks"] = std::move(blocks);
  return json_answer(200, page);
}

Outcome<HttpResponse> EbsDirect::get_block(const HttpRequest& request, const EbsRoute& route) {
  const Readable readable = TRY(require_readable(route.snapshot_id));
  const auto index =
      tokens_.open("block " + route.snapshot_id, parameter(request, "blockToken"), cloud_.now_ms());
  if (!index || *index != route.block_index) {
    return ebs_invalid(
        "INVALID_BLOCK_TOKEN",
        "The block token is not one of block {} of {}, or it has expired; list the blocks again",
        route.block_index, route.snapshot_id);
  }
  HttpResponse response;
  response.body.resize(block_bytes);
  TRY(readable.chain.read(route.block_index, response.body));
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("x-amz-Data-Length", std::to_string(block_bytes));
  response.headers.set("x-amz-Checksum", to_base64(sha256(response.body)));
  response.headers.set("x-amz-Checksum-Algorithm", "SHA256");
  return response;
}

}  // namespace rekindle::sandbox
