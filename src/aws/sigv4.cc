#include "aws/sigv4.h"

#include <algorithm>
#include <map>
#include <utility>

#include "crypto/hash.h"
#include "net/url.h"

namespace rekindle {

namespace {

constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

// "20150830T123600Z"
std::string basic_time(Time time) {
  std::string text = to_iso8601(time).substr(0, 19);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text + "Z";
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

// Without spaces at the ends, and runs of spaces as one.
std::string trimmed(std::string_view value) {
  std::string result;
  for (char c : value) {
    const bool space = c == ' ' || c == '\t';
    if (space && (result.empty() || result.back() == ' ')) continue;
    result += space ? ' ' : c;
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

// RFC 3986 section 5.2.4, and repeated slashes as one: what all services but S3 do to the path first.
std::string normal_path(std::string_view path) {
  std::vector<std::string_view> segments;
  const bool ends_open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  while (!path.empty()) {
    const auto end = path.find('/');
    const std::string_view segment = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    if (segment == ".." && !segments.empty()) segments.pop_back();
    if (!segment.empty() && segment != "." && segment != "..") segments.push_back(segment);
  }
  std::string result;
  for (std::string_view segment : segments) result.append("/").append(segment);
  if (result.empty() || ends_open) result += "/";
  return result;
}

// The path on the wire is encoded once. All services but S3 sign it encoded a second time.
std::string canonical_path(std::string_view wire_path, std::string_view service) {
  if (service == "s3") return percent_encode(percent_decode(wire_path), true);
  return percent_encode(normal_path(wire_path), true);
}

// Sorted by encoded name, then by encoded value; "=" also after a name without a value.
std::string canonical_query(std::string_view wire_query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const auto& [name, value] : parse_query(wire_query, false)) {
    parameters.emplace_back(percent_encode(name), percent_encode(value));
  }
  std::sort(parameters.begin(), parameters.end());
  std::string query;
  for (const auto& [name, value] : parameters) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, value);
  }
  return query;
}

bool is_signed(const std::string& lower_name) {
  return lower_name == "content-type" || lower_name.starts_with("x-amz-");
}

// Sorted by name, not by whole line: x-amz-checksum comes before x-amz-checksum-algorithm.
std::map<std::string, std::string> signed_headers(const HttpRequest& request, const Url& url) {
  std::map<std::string, std::string> headers{{"host", url.authority()}};
  for (const auto& [name, value] : request.headers) {
    const std::string lower_name = lower_case(name);
    if (!is_signed(lower_name)) continue;
    const auto [at, is_new] = headers.try_emplace(lower_name, trimmed(value));
    if (!is_new) at->second += "," + trimmed(value);
  }
  return headers;
}

std::string names_of(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

Sha256 signing_key(const std::string& secret, std::string_view date, const SigningScope& scope) {
  Sha256 key = hmac_sha256(as_bytes("AWS4" + secret), as_bytes(date));
  for (std::string_view part :
       {std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")}) {
    key = hmac_sha256(key, as_bytes(part));
  }
  return key;
}

}  // namespace

Result<std::string> canonical_request(const HttpRequest& request, std::string_view service,
                                      std::string_view payload_hash) {
  const Url url = TRY(parse_url(request.url));
  const auto headers = signed_headers(request, url);
  std::string header_lines;
  for (const auto& [name, value] : headers) header_lines += fmt::format("{}:{}\n", name, value);
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, canonical_path(url.path, service),
                     canonical_query(url.query), header_lines, names_of(headers), payload_hash);
}

Result<> sign(HttpRequest& request, const AwsCredentials& credentials, const SigningScope& scope, Time now,
              Payload payload) {
  const Url url = TRY(parse_url(request.url));
  const std::string payload_hash =
      payload == Payload::unsigned_body ? std::string(unsigned_payload) : to_hex(sha256(request.content()));
  const std::string time = basic_time(now);
  request.headers.set("X-Amz-Date", time);
  // It may have been signed before, with other credentials.
  HttpHeaders kept;
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "X-Amz-Security-Token")) kept.add(name, value);
  }
  request.headers = std::move(kept);
  if (!credentials.session_token.empty())
    request.headers.add("X-Amz-Security-Token", credentials.session_token);
  if (payload == Payload::unsigned_body || scope.service == "s3") {
    request.headers.set("X-Amz-Content-Sha256", payload_hash);
  }

  const std::string canonical = TRY(canonical_request(request, scope.service, payload_hash));
  const std::string date = time.substr(0, 8);
  const std::string scope_text = fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope_text, to_hex(sha256(as_bytes(canonical))));
  const Sha256 key = signing_key(credentials.secret_access_key, date, scope);
  request.headers.set(
      "Authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                  credentials.access_key_id, scope_text, names_of(signed_headers(request, url)),
                  to_hex(hmac_sha256(key, as_bytes(to_sign)))));
  return {};
}

}  // namespace rekindle
