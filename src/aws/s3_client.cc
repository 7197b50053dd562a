#include "aws/s3_client.h"

#include <charconv>

#include "aws/query_answer.h"
#include "crypto/hash.h"
#include "net/url.h"

namespace rekindle {

namespace {

constexpr std::string_view put_id_header = "x-amz-meta-rekindle-put";
constexpr std::string_view lock_header = "x-amz-object-lock-retain-until-date";
constexpr std::chrono::milliseconds call_timeout{30000};
// Completing an upload of thousands of parts takes minutes.
constexpr std::chrono::milliseconds complete_timeout{600000};
constexpr std::size_t largest_object = 1 * gib;  // of those that are read whole

// As long as a line takes that is too slow for any backup: 32 KiB/s.
std::chrono::milliseconds time_for(std::size_t bytes) {
  return call_timeout + std::chrono::milliseconds(bytes / 32);
}

std::string endpoint_of(const S3BucketOptions& options, bool by_path) {
  const char* suffix = options.region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  std::string base =
      options.endpoint.empty() ? fmt::format("https://s3.{}.{}", options.region, suffix) : options.endpoint;
  const auto host = base.find("://");
  if (by_path || host == std::string::npos) return base;
  return fmt::format("{}{}.{}", base.substr(0, host + 3), options.bucket, base.substr(host + 3));
}

bool fits_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string_view::npos;
}

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Proves the body on the way and, kept by S3, ever after; S3 demands it of a put that locks.
void add_checksum(HttpRequest& request) {
  request.headers.add("x-amz-checksum-sha256", to_base64(sha256(request.content())));
  request.headers.add("x-amz-sdk-checksum-algorithm", "SHA256");
}

void describe_object(HttpRequest& request, const S3Put& put) {
  request.headers.add("Content-Type", "application/octet-stream");
  request.headers.add(std::string(put_id_header), put.put_id);
  if (put.lock_mode.empty() || !put.locked_until) return;
  request.headers.add("x-amz-object-lock-mode", put.lock_mode);
  request.headers.add(std::string(lock_header), to_iso8601(*put.locked_until));
}

// A body that is shorter than announced: the connection broke, and the transport did not see it.
Result<> check_length(const HttpResponse& response) {
  const std::string_view announced = response.headers.get("Content-Length");
  if (announced.empty() || number_in(announced) == response.body.size()) return {};
  return error(ErrorCode::unavailable, "S3 announced {} bytes and sent {}", announced, response.body.size());
}

std::string part_list(const std::vector<S3Part>& parts) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>", i + 1, parts[i].etag);
    body += fmt::format("<ChecksumSHA256>{}</ChecksumSHA256></Part>", parts[i].checksum_sha256);
  }
  return body + "</CompleteMultipartUpload>";
}

}  // namespace

S3Client::S3Client(S3BucketOptions options, std::unique_ptr<ServiceClient> service, bool by_path)
    : options_(std::move(options)), service_(std::move(service)), by_path_(by_path) {}

Result<std::unique_ptr<S3Client>> S3Client::make(S3BucketOptions options, HttpTransport& transport,
                                                 Clock& clock, Random& random) {
  if (!fits_bucket_name(options.bucket)) {
    return error(ErrorCode::invalid_argument,
                 "'{}' cannot be the name of a bucket: 3 to 63 lower-case letters, digits, dots, hyphens",
                 options.bucket);
  }
  if (options.region.empty()) {
    return error(ErrorCode::invalid_argument,
                 "the region of the bucket {} is missing; give one, like eu-central-1", options.bucket);
  }
  const bool dotted = options.bucket.find('.') != std::string::npos;
  const bool by_path = options.by_path.value_or(!options.endpoint.empty() || dotted);
  ServiceOptions service{"s3", options.region, endpoint_of(options, by_path), options.credentials,
                         options.retries};
  auto made = TRY(ServiceClient::make(std::move(service), transport, clock, random));
  return std::unique_ptr<S3Client>(new S3Client(std::move(options), std::move(made), by_path));
}

ServiceCall S3Client::call_of(std::string action, std::string method, const std::string& key,
                              const QueryParameters& query) const {
  ServiceCall call;
  call.action = std::move(action);
  call.path = fmt::format("{}/{}", by_path_ ? "/" + options_.bucket : "", percent_encode(key, true));
  if (!query.empty()) call.path += "?" + encode_query(query);
  call.request.method = std::move(method);
  call.request.timeout = call_timeout;
  return call;
}

Result<HttpResponse> S3Client::response_of(ServiceReply reply, const std::string& action) const {
  if (!reply.fault) return std::move(reply.response);
  return s3_error(*reply.fault, reply.response,
                  {action, options_.bucket, options_.region, reply.fault->access_key_id});
}

Result<HttpResponse> S3Client::send(ServiceCall call) {
  const std::string action = call.action;
  ServiceReply reply = TRY(service_->send(std::move(call)), "{}", action);
  return response_of(std::move(reply), action);
}

Result<HttpResponse> S3Client::send_put(ServiceCall call, const S3Put& put) {
  if (put.only_if_absent) call.request.headers.add("If-None-Match", "*");
  const std::string action = call.action;
  ServiceReply reply = TRY(service_->send(std::move(call)), "{}", action);
  if (put.only_if_absent && reply.fault && reply.fault->status == 501) refuses_conditions_ = true;
  return response_of(std::move(reply), action);
}

Result<> S3Client::put(const S3Put& put, ByteView body) {
  ServiceCall call = call_of("PutObject", "PUT", put.key);
  call.request.borrowed_body = body;
  call.request.timeout = time_for(body.size());
  describe_object(call.request, put);
  add_checksum(call.request);
  TRY(send_put(std::move(call), put));
  return {};
}

Result<S3Head> S3Client::head(const std::string& key, const std::string& version_id) {
  QueryParameters query;
  if (!version_id.empty()) query.emplace_back("versionId", version_id);
  const HttpResponse response = TRY(send(call_of("HeadObject", "HEAD", key, query)));
  S3Head head;
  head.size_bytes = number_in(response.headers.get("Content-Length"));
  head.put_id = response.headers.get(put_id_header);
  if (const auto until = from_iso8601(response.headers.get(lock_header)); until.ok())
    head.locked_until = *until;
  return head;
}

Result<Bytes> S3Client::get(const std::string& key) {
  ServiceCall call = call_of("GetObject", "GET", key);
  call.request.max_response_bytes = largest_object;
  call.request.timeout = time_for(largest_object);
  HttpResponse response = TRY(send(std::move(call)));
  TRY(check_length(response));
  return std::move(response.body);
}

Result<> S3Client::get_range(const std::string& key, std::uint64_t offset, ByteSpan bytes) {
  const std::uint64_t end = offset + bytes.size();
  ServiceCall call = call_of("GetObject", "GET", key);
  call.request.headers.add("Range", fmt::format("bytes={}-{}", offset, end - 1));
  call.request.timeout = time_for(bytes.size());
  call.request.max_response_bytes = largest_object;
  ServiceReply reply = TRY(service_->send(std::move(call)), "GetObject");
  if (reply.fault && reply.fault->status == 416) {
    return error(ErrorCode::corrupt, "object {} ends before byte {}", key, end);
  }
  const HttpResponse response = TRY(response_of(std::move(reply), "GetObject"));
  TRY(check_length(response));
  ByteView got = response.body;
  // A server may leave the range aside and send all.
  if (response.status == 200) got = got.subspan(std::min<std::uint64_t>(offset, got.size()));
  if (got.size() < bytes.size()) {
    return error(ErrorCode::corrupt, "object {} ends before byte {}", key, end);
  }
  std::copy_n(got.begin(), bytes.size(), bytes.begin());
  return {};
}

Result<bool> S3Client::remove(const std::string& key, const std::string& version_id) {
  QueryParameters query;
  if (!version_id.empty()) query.emplace_back("versionId", version_id);
  auto response =
      send(call_of(version_id.empty() ? "DeleteObject" : "DeleteObjectVersion", "DELETE", key, query));
  if (!response.ok() && response.error().code() == ErrorCode::not_found) return false;
  if (!response.ok()) return std::move(response).error();
  return version_id.empty() && response->headers.get("x-amz-delete-marker") == "true";
}

Result<std::string> S3Client::start_upload(const S3Put& put) {
  ServiceCall call = call_of("CreateMultipartUpload", "POST", put.key, {{"uploads", ""}});
  describe_object(call.request, put);
  call.request.headers.add("x-amz-checksum-algorithm", "SHA256");
  const HttpResponse response = TRY(send(std::move(call)));
  const QueryAnswer answer = TRY(QueryAnswer::parse(response.body));
  return answer.root().required("UploadId");
}

Result<S3Part> S3Client::put_part(const std::string& key, const std::string& upload_id, std::size_t number,
                                  ByteView body) {
  ServiceCall call =
      call_of("UploadPart", "PUT", key, {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}});
  call.request.borrowed_body = body;
  call.request.timeout = time_for(body.size());
  add_checksum(call.request);
  S3Part part{"", std::string(call.request.headers.get("x-amz-checksum-sha256"))};
  const HttpResponse response = TRY(send(std::move(call)), "part {}", number);
  part.etag = response.headers.get("ETag");
  return part;
}

Result<> S3Client::complete_upload(const S3Put& put, const std::string& upload_id,
                                   const std::vector<S3Part>& parts) {
  ServiceCall call = call_of("CompleteMultipartUpload", "POST", put.key, {{"uploadId", upload_id}});
  call.request.headers.add("Content-Type", "application/xml");
  call.request.body = to_bytes(as_bytes(part_list(parts)));
  call.request.timeout = complete_timeout;
  const HttpResponse response = TRY(send_put(std::move(call), put));
  // S3 says 200 before it begins, to keep the connection open; what went wrong then stands in the body.
  const QueryAnswer answer = TRY(QueryAnswer::parse(response.body));
  if (answer.root().name() != "Error") return {};
  return error(ErrorCode::unavailable, "CompleteMultipartUpload: {}: {}", answer.root().text("Code"),
               answer.root().text("Message"));
}

Result<> S3Client::abort_upload(const std::string& key, const std::string& upload_id) {
  const auto aborted = send(call_of("AbortMultipartUpload", "DELETE", key, {{"uploadId", upload_id}}));
  if (aborted.ok() || aborted.error().code() == ErrorCode::not_found) return {};
  return aborted.error();
}

Result<> S3Client::lock(const std::string& key, const std::string& mode, Time until) {
  ServiceCall call = call_of("PutObjectRetention", "PUT", key, {{"retention", ""}});
  const std::string body = fmt::format(
      "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode><RetainUntilDate>{}"
      "</RetainUntilDate></Retention>",
      mode, to_iso8601(until));
  call.request.headers.add("Content-Type", "application/xml");
  call.request.body = to_bytes(as_bytes(body));
  add_checksum(call.request);
  TRY(send(std::move(call)));
  return {};
}

}  // namespace rekindle
