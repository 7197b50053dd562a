// The calls of S3Client that list, page by page, and those that ask how the bucket is set up.
#include "aws/query_answer.h"
#include "aws/s3_client.h"
#include "net/url.h"

namespace rekindle {

namespace {

// Asked for with encoding-type=url, because XML cannot hold every key.
std::string decoded(const QueryElement& root, const std::string& text) {
  return root.text("EncodingType") == "url" ? percent_decode(text, true) : text;
}

Result<S3Object> read_object(const QueryElement& root, const QueryElement& entry) {
  S3Object object;
  object.key = decoded(root, TRY(entry.required("Key")));
  object.size_bytes = TRY(entry.number("Size"));
  object.put_at = TRY(from_iso8601(entry.text("LastModified")), "the time of {}", object.key);
  return object;
}

Result<S3Version> read_version(const QueryElement& root, const QueryElement& entry) {
  S3Version version;
  version.key = decoded(root, TRY(entry.required("Key")));
  version.version_id = TRY(entry.required("VersionId"));
  version.is_latest = entry.text("IsLatest") == "true";
  version.is_delete_marker = entry.name() == "DeleteMarker";
  return version;
}

Result<S3Upload> read_upload(const QueryElement& root, const QueryElement& entry) {
  S3Upload upload;
  upload.key = decoded(root, TRY(entry.required("Key")));
  upload.upload_id = TRY(entry.required("UploadId"));
  upload.started = TRY(from_iso8601(entry.text("Initiated")), "the upload of {}", upload.key);
  return upload;
}

Error endless(std::string_view action) {
  return error(ErrorCode::internal, "{}: S3 answers the same page again and again", action);
}

}  // namespace

Result<std::vector<S3Object>> S3Client::list(const std::string& prefix) {
  std::vector<S3Object> objects;
  std::string token;
  for (;;) {
    QueryParameters query{{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}};
    if (!token.empty()) query.emplace_back("continuation-token", token);
    const HttpResponse response = TRY(send(call_of("ListBucket", "GET", "", query)));
    const QueryAnswer answer = TRY(QueryAnswer::parse(response.body));
    const QueryElement root = answer.root();
    for (const QueryElement& entry : root.children("Contents")) {
      S3Object object = TRY(read_object(root, entry));
      objects.push_back(std::move(object));
    }
    const std::string next = root.text("NextContinuationToken");
    if (root.text("IsTruncated") != "true" || next.empty()) return objects;
    if (next == token) return endless("ListObjectsV2");
    token = next;
  }
}

Result<std::vector<S3Version>> S3Client::versions(const std::string& prefix) {
  std::vector<S3Version> found;
  std::string key_marker;
  std::string version_marker;
  for (;;) {
    QueryParameters query{{"versions", ""}, {"prefix", prefix}, {"encoding-type", "url"}};
    if (!key_marker.empty()) query.emplace_back("key-marker", key_marker);
    if (!version_marker.empty()) query.emplace_back("version-id-marker", version_marker);
    const HttpResponse response = TRY(send(call_of("ListBucketVersions", "GET", "", query)));
    const QueryAnswer answer = TRY(QueryAnswer::parse(response.body));
    const QueryElement root = answer.root();
    for (const char* kind : {"Version", "DeleteMarker"}) {
      for (const QueryElement& entry : root.children(kind)) {
        S3Version version = TRY(read_version(root, entry));
        found.push_back(std::move(version));
      }
    }
    if (root.text("IsTruncated") != "true") return found;
    const std::string next_key = decoded(root, root.text("NextKeyMarker"));
    const std::string next_version = root.text("NextVersionIdMarker");
    if (next_key == key_marker && next_version == version_marker) return endless("ListObjectVersions");
    key_marker = next_key;
    version_marker = next_version;
  }
}

Result<std::vector<S3Upload>> S3Client::uploads(const std::string& prefix) {
  std::vector<S3Upload> found;
  std::string key_marker;
  std::string upload_marker;
  for (;;) {
    QueryParameters query{{"uploads", ""}, {"prefix", prefix}, {"encoding-type", "url"}};
    if (!key_marker.empty()) query.emplace_back("key-marker", key_marker);
    if (!upload_marker.empty()) query.emplace_back("upload-id-marker", upload_marker);
    const HttpResponse response = TRY(send(call_of("ListBucketMultipartUploads", "GET", "", query)));
    const QueryAnswer answer = TRY(QueryAnswer::parse(response.body));
    const QueryElement root = answer.root();
    for (const QueryElement& entry : root.children("Upload")) {
      S3Upload upload = TRY(read_upload(root, entry));
      found.push_back(std::move(upload));
    }
    if (root.text("IsTruncated") != "true") return found;
    const std::string next_key = decoded(root, root.text("NextKeyMarker"));
    const std::string next_upload = root.text("NextUploadIdMarker");
    if (next_key == key_marker && next_upload == upload_marker) return endless("ListMultipartUploads");
    key_marker = next_key;
    upload_marker = next_upload;
  }
}

Result<bool> S3Client::is_versioned() {
  const HttpResponse response = TRY(send(call_of("GetBucketVersioning", "GET", "", {{"versioning", ""}})));
  const QueryAnswer answer = TRY(QueryAnswer::parse(response.body));
  return !answer.root().text("Status").empty();  // "Suspended": older versions are still there
}

Result<bool> S3Client::has_object_lock() {
  const auto response = send(call_of("GetBucketObjectLockConfiguration", "GET", "", {{"object-lock", ""}}));
  if (!response.ok() && response.error().code() == ErrorCode::not_found) return false;
  if (!response.ok()) return response.error();
  const QueryAnswer answer = TRY(QueryAnswer::parse(response->body));
  return answer.root().text("ObjectLockEnabled") == "Enabled";
}

}  // namespace rekindle
