// The writing half: StartSnapshot, PutSnapshotBlock, CompleteSnapshot.
#include <algorithm>
#include <charconv>

#include "sandbox/region/digest.h"
#include "sandbox/region/ebs_direct.h"
#include "sandbox/region/ebs_refusals.h"
#include "sandbox/region/pending_snapshots.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr std::uint64_t block_bytes = Qcow2Layer::cluster_bytes;
constexpr std::uint64_t blocks_per_gib = gib / block_bytes;
constexpr std::int64_t most_gib = 65536;
// How often the time of the last put is written down; the timeout counts in minutes.
constexpr std::int64_t note_every_ms = 1000;

HttpResponse json_answer(int status, const json& body) {
  return HttpResponse::text(status, "application/json", body.dump());
}

std::optional<std::uint64_t> number_header(const HttpRequest& request, std::string_view name) {
  const std::string_view text = request.headers.get(name);
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

Outcome<> check_types(const json& body) {
  const auto wrong = [](std::string_view name) {
    return ebs_invalid("INVALID_PARAMETER_VALUE", "{} has the wrong type", name);
  };
  if (!body.is_object()) return ebs_invalid("INVALID_PARAMETER_VALUE", "The body is not a JSON object");
  for (const char* name : {"VolumeSize", "Timeout"}) {
    if (body.contains(name) && !body[name].is_number_integer()) return wrong(name);
  }
  for (const char* name : {"ParentSnapshotId", "Description", "ClientToken", "KmsKeyArn"}) {
    if (body.contains(name) && !body[name].is_string()) return wrong(name);
  }
  if (body.contains("Encrypted") && !body["Encrypted"].is_boolean()) return wrong("Encrypted");
  if (body.contains("Tags") && !body["Tags"].is_array()) return wrong("Tags");
  return {};
}

Outcome<Tags> tags_of(const json& body) {
  Tags tags;
  for (const json& tag : body.value("Tags", json::array())) {
    if (!tag.is_object() || !tag.contains("Key") || !tag["Key"].is_string())
      return ebs_invalid("INVALID_TAG", "A tag has no Key");
    const std::string key = tag["Key"];
    const json value = tag.value("Value", json(""));
    if (key.empty() || key.size() > 128 || key.starts_with("aws:") || !value.is_string()) {
      return ebs_invalid("INVALID_TAG", "The tag '{}' is not valid", key);
    }
    tags[key] = value.get<std::string>();
  }
  if (tags.size() > 50) return ebs_invalid("INVALID_TAG", "More than 50 tags");
  return tags;
}

std::string fingerprint_of(json body) {
  body.erase("ClientToken");
  return to_hex(sha256(as_bytes(body.dump())));
}

}  // namespace

json EbsDirect::started_json(const Snapshot& snapshot) const {
  json tags = json::array();
  for (const auto& [key, value] : snapshot.tags) tags.push_back({{"Key", key}, {"Value", value}});
  json answer = {{"SnapshotId", snapshot.id},
                 {"OwnerId", cloud_.options().account_id},
                 {"Status", snapshot.state},
                 {"StartTime", static_cast<double>(snapshot.created_ms) / 1000.0},
                 {"VolumeSize", snapshot.size_gib},
                 {"BlockSize", block_bytes},
                 {"Tags", tags},
                 {"Description", snapshot.description}};
  if (!snapshot.parent_snapshot_id.empty()) answer["ParentSnapshotId"] = snapshot.parent_snapshot_id;
  if (!snapshot.kms_key_id.empty()) answer["KmsKeyArn"] = snapshot.kms_key_id;
  if (snapshot.encrypted) answer["SseType"] = "sse-kms";
  return answer;
}

// Lineage and encryption come from the parent.
Outcome<> EbsDirect::inherit(Snapshot& snapshot, const json& body) {
  if (snapshot.parent_snapshot_id.empty()) return {};
  if (body.contains("Encrypted") || body.contains("KmsKeyArn")) {
    return ebs_invalid(
        "INVALID_PARAMETER_VALUE",
        "ParentSnapshotId and Encrypted or KmsKeyArn exclude each other: the parent's are inherited");
  }
  const Snapshot parent = TRY(require_snapshot(snapshot.parent_snapshot_id));
  if (parent.state != "completed") {
    return ebs_invalid("INVALID_SNAPSHOT_ID", "The parent snapshot '{}' is '{}', it must be 'completed'",
                       parent.id, parent.state);
  }
  if (snapshot.size_gib < parent.size_gib) {
    return ebs_invalid("INVALID_VOLUME_SIZE", "VolumeSize is {} GiB, but the parent has {}",
                       snapshot.size_gib, parent.size_gib);
  }
  if (cloud_.knobs().encryption_by_default && !parent.encrypted) {
    return ebs_invalid("INVALID_PARAMETER_VALUE",
                       "The parent snapshot '{}' is not encrypted, and encryption by default is enabled",
                       parent.id);
  }
  snapshot.encrypted = parent.encrypted;
  snapshot.kms_key_id = parent.kms_key_id;
  return {};
}

Outcome<Snapshot> EbsDirect::new_snapshot(const json& body) {
  Snapshot snapshot = cloud_.make<Snapshot>();
  snapshot.size_gib = body.value("VolumeSize", std::int64_t{0});
  if (snapshot.size_gib < 1 || snapshot.size_gib > most_gib) {
    return ebs_invalid("INVALID_VOLUME_SIZE", "VolumeSize is {}; it must be from 1 to {} GiB",
                       snapshot.size_gib, most_gib);
  }
  snapshot.timeout_minutes = body.value("Timeout", std::int64_t{60});
  if (snapshot.timeout_minutes < 10 || snapshot.timeout_minutes > 4320) {
    return ebs_invalid("INVALID_PARAMETER_VALUE", "Timeout is {}; it must be from 10 to 4320 minutes",
                       snapshot.timeout_minutes);
  }
  snapshot.description = body.value("Description", "");
  if (snapshot.description.size() > 255)
    return ebs_invalid("INVALID_PARAMETER_VALUE", "Description has more than 255 characters");
  snapshot.parent_snapshot_id = body.value("ParentSnapshotId", "");
  snapshot.encrypted = body.value("Encrypted", false) || cloud_.knobs().encryption_by_default;
  snapshot.kms_key_id = body.value("KmsKeyArn", "");
  snapshot.tags = TRY(tags_of(body));
  TRY(inherit(snapshot, body));
  snapshot.volume_id = "vol-ffffffff";  // what AWS shows for a snapshot without a volume
  snapshot.state = "pending";
  snapshot.direct = true;
  snapshot.last_put_ms = snapshot.created_ms;
  return snapshot;
}

Outcome<HttpResponse> EbsDirect::start_snapshot(const HttpRequest& request) {
  const json body = json::parse(request.body_text(), nullptr, false);
  TRY(check_types(body));
  const std::lock_guard lock(cloud_.mutex());
  State& state = cloud_.state();
  const std::string token = body.value("ClientToken", "");
  const std::string replay_id = "StartSnapshot:" + token;
  if (const auto earlier = state.find<Replay>(replay_id); earlier && !token.empty()) {
    if (earlier->fingerprint != fingerprint_of(body)) return ebs_token_conflict();
    const Snapshot known = TRY(require_snapshot(earlier->result_ids.front()));
    return json_answer(201, started_json(known));
  }
  if (too_many_pending(cloud_)) return ebs_quota(cloud_.options().pending_snapshots);
  Snapshot snapshot = TRY(new_snapshot(body));
  const auto parent = state.find<Snapshot>(snapshot.parent_snapshot_id);
  snapshot.layer_id = TRY(cloud_.layers().create(static_cast<std::uint64_t>(snapshot.size_gib) * gib,
                                                 parent ? parent->layer_id : ""));
  state.put(snapshot);
  if (!token.empty()) {
    Replay replay;
    replay.id = replay_id;
    replay.fingerprint = fingerprint_of(body);
    replay.result_ids = {snapshot.id};
    state.put(replay);
  }
  TRY(state.commit());
  return json_answer(201, started_json(snapshot));
}

Outcome<Snapshot> EbsDirect::require_open(const std::string& id) {
  Snapshot snapshot = TRY(require_snapshot(id));
  if (!snapshot.direct || snapshot.sealed || snapshot.state != "pending") {
    return ebs_invalid(snapshot.state == "error" ? "WRITE_REQUEST_TIMEOUT" : "INVALID_SNAPSHOT_ID",
                       "The snapshot '{}' takes no blocks: it is '{}'{}", id, snapshot.state,
                       snapshot.sealed ? " and was completed" : "");
  }
  return snapshot;
}

Outcome<> EbsDirect::note_put(Snapshot snapshot) {
  if (cloud_.now_ms() - snapshot.last_put_ms < note_every_ms) return {};
  snapshot.last_put_ms = cloud_.now_ms();
  cloud_.state().put(snapshot);
  TRY(cloud_.state().commit());
  return {};
}

Outcome<HttpResponse> EbsDirect::put_block(const HttpRequest& request, const EbsRoute& route) {
  if (number_header(request, "x-amz-Data-Length") != block_bytes || request.body.size() != block_bytes) {
    return ebs_invalid("INVALID_BLOCK", "x-amz-Data-Length and the body must have {} bytes, not {}",
                       block_bytes, request.body.size());
  }
  if (request.headers.get("x-amz-Checksum-Algorithm") != "SHA256") {
    return ebs_invalid("INVALID_PARAMETER_VALUE", "x-amz-Checksum-Algorithm must be SHA256");
  }
  const Bytes digest = sha256(request.body);
  const std::string checksum = to_base64(digest);
  if (request.headers.get("x-amz-Checksum") != checksum) {
    return ebs_invalid("INVALID_BLOCK", "x-amz-Checksum is not the SHA-256 of the block that arrived");
  }
  const std::shared_lock writing(writing_);
  std::shared_ptr<Qcow2Layer> layer;
  {
    const std::lock_guard lock(cloud_.mutex());
    const Snapshot snapshot = TRY(require_open(route.snapshot_id));
    if (route.block_index >= static_cast<std::uint64_t>(snapshot.size_gib) * blocks_per_gib) {
      return ebs_invalid("INVALID_BLOCK", "Block {} lies beyond the {} GiB of the snapshot",
                         route.block_index, snapshot.size_gib);
    }
    layer = TRY(cloud_.layers().writer(snapshot.layer_id));
    TRY(note_put(snapshot));
  }
  TRY(layer->write(route.block_index, request.body));
  {
    const std::lock_guard lock(digests_mutex_);
    digests_[route.snapshot_id][route.block_index] = digest;
  }
  HttpResponse response = json_answer(201, json::object());
  response.headers.set("x-amz-Checksum", checksum);
  response.headers.set("x-amz-Checksum-Algorithm", "SHA256");
  return response;
}

// SHA-256 over the SHA-256 of each block, ascending by index.
Outcome<Bytes> EbsDirect::linear_checksum(const Snapshot& snapshot, const Qcow2Layer& layer,
                                          const std::vector<std::uint64_t>& written) {
  std::map<std::uint64_t, Bytes> digests;
  {
    const std::lock_guard lock(digests_mutex_);
    digests = digests_[snapshot.id];
  }
  Bytes joined, block(block_bytes);
  for (const std::uint64_t index : written) {
    Bytes& digest = digests[index];
    if (digest.empty()) {
      TRY(layer.read(index, block));
      digest = sha256(block);
    }
    joined.insert(joined.end(), digest.begin(), digest.end());
  }
  return sha256(joined);
}

Outcome<HttpResponse> EbsDirect::complete(const HttpRequest& request, const EbsRoute& route) {
  const auto count = number_header(request, "x-amz-ChangedBlocksCount");
  if (!count)
    return ebs_invalid("INVALID_PARAMETER_VALUE", "x-amz-ChangedBlocksCount is missing or not a number");
  const std::unique_lock writing(writing_);
  const std::lock_guard lock(cloud_.mutex());
  Snapshot snapshot = TRY(require_open(route.snapshot_id));
  const auto layer = TRY(cloud_.layers().writer(snapshot.layer_id));
  const auto written = layer->allocated(0, layer->cluster_count());
  if (*count != written.size()) {
    return ebs_invalid("INVALID_PARAMETER_VALUE", "x-amz-ChangedBlocksCount is {}, but {} blocks were put",
                       *count, written.size());
  }
  if (const std::string claimed(request.headers.get("x-amz-Checksum")); !claimed.empty()) {
    if (request.headers.get("x-amz-Checksum-Algorithm") != "SHA256" ||
        request.headers.get("x-amz-Checksum-Aggregation-Method") != "LINEAR") {
      return ebs_invalid("INVALID_PARAMETER_VALUE",
                         "x-amz-Checksum needs x-amz-Checksum-Algorithm SHA256 and "
                         "x-amz-Checksum-Aggregation-Method LINEAR");
    }
    const Bytes actual = TRY(linear_checksum(snapshot, *layer, written));
    if (claimed != to_base64(actual))
      return ebs_invalid("INVALID_PARAMETER_VALUE",
                         "x-amz-Checksum is not the linear checksum of the blocks that were put");
  }
  TRY(cloud_.layers().seal(snapshot.layer_id));
  snapshot.sealed = true;
  cloud_.begin(snapshot, "pending", "completed", cloud_.knobs().snapshot_ready);
  cloud_.state().put(snapshot);
  TRY(cloud_.state().commit());
  const std::lock_guard digests_lock(digests_mutex_);
  digests_.erase(snapshot.id);
  return json_answer(202, json{{"Status", "pending"}});
}

}  // namespace rekindle::sandbox
