#include "sandbox/region/signature.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

#include "net/url.h"
#include "sandbox/region/digest.h"
#include "sandbox/region/json_services.h"

namespace rekindle::sandbox {

namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";
const std::string iam_region = "us-east-1";
constexpr auto allowed_skew = std::chrono::minutes(5);

struct Authorization {
  std::string access_key, date, region, service, terminator;
  std::string signed_headers_text;
  std::vector<std::string> signed_headers;
  std::string signature;

  std::string scope() const { return fmt::format("{}/{}/{}/{}", date, region, service, terminator); }
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

// "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=hex"
std::optional<Authorization> parse_authorization(std::string_view header) {
  if (!header.starts_with(algorithm)) return std::nullopt;
  std::map<std::string, std::string> fields;
  for (const std::string& part : split(header.substr(algorithm.size()), ',')) {
    const std::string_view field = trimmed(part);
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    fields[std::string(field.substr(0, equals))] = std::string(field.substr(equals + 1));
  }
  // An access key has no slash, but nothing says so of those in tests: count from the right.
  std::vector<std::string> scope = split(fields["Credential"], '/');
  if (scope.size() != 5) return std::nullopt;
  Authorization parsed{scope[0], scope[1],           scope[2], scope[3], scope[4], fields["SignedHeaders"],
                       {},       fields["Signature"]};
  parsed.signed_headers = split(parsed.signed_headers_text, ';');
  return parsed;
}

// The code and status a service uses for each way to fail.
struct Dialect {
  const char *missing, *unknown_key, *mismatch, *expired, *session_ended;
  int key_status, mismatch_status, expired_status;
};

Dialect dialect_of(std::string_view service) {
  if (service == "ebs") {
    return {"MissingAuthenticationTokenException",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "InvalidSignatureException",
            "ExpiredTokenException",
            403,
            403,
            403};
  }
  if (speaks_json(service)) {
    return {"MissingAuthenticationTokenException",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "InvalidSignatureException",
            "ExpiredTokenException",
            400,
            400,
            400};
  }
  if (service == "ec2") {
    return {"AuthFailure", "AuthFailure", "AuthFailure", "RequestExpired", "RequestExpired", 401, 401, 400};
  }
  return {"MissingAuthenticationToken",
          "InvalidClientTokenId",
          "SignatureDoesNotMatch",
          "SignatureDoesNotMatch",
          "ExpiredToken",
          403,
          403,
          403};
}

Refusal mismatch(const Dialect& dialect, std::string_view service, std::string_view why) {
  if (service == "ec2") {
    return {dialect.mismatch,
            fmt::format("AWS was not able to validate the provided access credentials ({})", why),
            dialect.mismatch_status};
  }
  return {dialect.mismatch,
          fmt::format(
              "The request signature we calculated does not match the signature you provided. Check your AWS "
              "Secret Access Key and signing method. ({})",
              why),
          dialect.mismatch_status};
}

// Trimmed, runs of spaces as one, several headers of one name joined by commas.
std::string canonical_value(const HttpHeaders& headers, std::string_view name) {
  std::string joined;
  bool first = true;
  for (const auto& [header, value] : headers) {
    if (!equal_ignoring_case(header, name)) continue;
    if (!first) joined += ',';
    first = false;
    const std::string_view text = trimmed(value);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != ' ' || text[i - 1] != ' ') joined += text[i];
    }
  }
  return joined;
}

// Every service but S3 encodes the path a second time. Dots are resolved, double slashes made one.
std::string canonical_path(std::string_view raw_path) {
  std::vector<std::string> kept;
  for (std::string& segment : split(raw_path, '/')) {
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!segment.empty() && segment != ".") {
      kept.push_back(std::move(segment));
    }
  }
  std::string path;
  for (const std::string& segment : kept) path += "/" + percent_encode(segment);
  if (path.empty() || raw_path.ends_with('/')) path += '/';
  return path;
}

// By encoded name, then encoded value; '=' always there.
std::string canonical_query(std::string_view raw_query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : parse_query(raw_query, false)) {
    pairs.emplace_back(percent_encode(name), percent_encode(value));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string query;
  for (const auto& [name, value] : pairs) {
    query += query.empty() ? "" : "&";
    query.append(name).append("=").append(value);
  }
  return query;
}

std::string canonical_request(const HttpRequest& request, const Authorization& authorization,
                              std::string_view payload_hash) {
  std::string headers;
  for (const std::string& name : authorization.signed_headers) {
    headers += name + ":" + canonical_value(request.headers, name) + "\n";
  }
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, canonical_path(request.raw_path),
                     canonical_query(request.query), headers, authorization.signed_headers_text,
                     payload_hash);
}

std::string sign(const Authorization& authorization, const std::string& secret, const std::string& timestamp,
                 const std::string& canonical) {
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", algorithm, timestamp, authorization.scope(),
                                          to_hex(sha256(as_bytes(canonical))));
  Bytes key = to_bytes(as_bytes("AWS4" + secret));
  for (const std::string& step :
       {authorization.date, authorization.region, authorization.service, authorization.terminator}) {
    key = hmac_sha256(key, as_bytes(step));
  }
  return to_hex(hmac_sha256(key, as_bytes(to_sign)));
}

// "20261122T075230Z"
std::optional<Time> parse_timestamp(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto iso = fmt::format("{}-{}-{}T{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2),
                               text.substr(9, 2), text.substr(11, 2), text.substr(13, 2));
  const auto time = from_iso8601(iso);
  return time.ok() ? std::optional<Time>(*time) : std::nullopt;
}

// "host" and everything that changes the meaning of the call must be under the signature.
Outcome<> check_signed_headers(const HttpRequest& request, const Authorization& authorization,
                               const Dialect& dialect) {
  const auto& names = authorization.signed_headers;
  auto is_signed = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!std::is_sorted(names.begin(), names.end())) {
    return mismatch(dialect, authorization.service, "SignedHeaders is not sorted");
  }
  if (!is_signed("host")) return mismatch(dialect, authorization.service, "the header host is not signed");
  for (const auto& [name, value] : request.headers) {
    const std::string wanted = lower(name);
    if (wanted.starts_with("x-amz-") && !is_signed(wanted)) {
      return mismatch(dialect, authorization.service, fmt::format("the header {} is not signed", wanted));
    }
  }
  return {};
}

Outcome<std::string> payload_hash(const HttpRequest& request, const Authorization& authorization,
                                  const Dialect& dialect) {
  const std::string_view claimed = request.headers.get("x-amz-content-sha256");
  if (claimed == unsigned_payload && authorization.service == "ebs") return std::string(claimed);
  const std::string actual = to_hex(sha256(request.body));
  if (claimed.empty()) return actual;
  if (claimed != actual)
    return mismatch(dialect, authorization.service, "x-amz-content-sha256 is not the body's SHA-256");
  return actual;
}

Outcome<> check_time(const Authorization& authorization, const std::string& timestamp, const Dialect& dialect,
                     Time now) {
  const auto signed_at = parse_timestamp(timestamp);
  if (!signed_at || !timestamp.starts_with(authorization.date)) {
    return mismatch(dialect, authorization.service,
                    "x-amz-date is missing, unreadable, or not of the scope's day");
  }
  if (std::chrono::abs(now - *signed_at) <= allowed_skew) return {};
  const std::string message = authorization.service == "ec2"
                                  ? std::string("Request has expired.")
                                  : fmt::format("Signature {}: {} is now {} than {} ({} {} 5 min.)",
                                                now > *signed_at ? "expired" : "not yet current", timestamp,
                                                now > *signed_at ? "earlier" : "later", to_iso8601(now),
                                                to_iso8601(now), now > *signed_at ? "-" : "+");
  return Refusal{dialect.expired, message, dialect.expired_status};
}

Refusal unknown_key(const Dialect& dialect, std::string_view service) {
  const char* message = service == "ec2" ? "AWS was not able to validate the provided access credentials"
                                         : "The security token included in the request is invalid.";
  return {dialect.unknown_key, message, dialect.key_status};
}

// The secret of the key that the request names.
Outcome<std::string> secret_for(const HttpRequest& request, const Authorization& authorization,
                                const Dialect& dialect, const Credentials& credentials, const Roles& roles,
                                Time now) {
  if (authorization.access_key == credentials.access_key) return credentials.secret_key;
  const auto session = roles.session_of(authorization.access_key, request.headers.get("x-amz-security-token"),
                                        now.time_since_epoch().count());
  if (!session) return unknown_key(dialect, authorization.service);
  if (!session->expired) return session->secret_key;
  return Refusal{dialect.session_ended, "The security token included in the request is expired",
                 dialect.expired_status};
}

}  // namespace

std::string claimed_access_key(const HttpRequest& request) {
  const auto authorization = parse_authorization(request.headers.get("Authorization"));
  return authorization ? authorization->access_key : "";
}

std::string claimed_service(const HttpRequest& request) {
  const auto authorization = parse_authorization(request.headers.get("Authorization"));
  return authorization ? authorization->service : "";
}

Outcome<> verify_signature(const HttpRequest& request, const Credentials& credentials, const Roles& roles,
                           const std::string& region, Time now) {
  const auto authorization = parse_authorization(request.headers.get("Authorization"));
  if (!authorization) {
    const Dialect dialect = dialect_of(request.raw_path == "/" ? "sts" : "ebs");
    return Refusal{dialect.missing,
                   "Missing Authentication Token: sign the request with AWS Signature Version 4", 403};
  }
  const Dialect dialect = dialect_of(authorization->service);
  const std::string secret = TRY(secret_for(request, *authorization, dialect, credentials, roles, now));
  // IAM is one for all regions.
  const std::string& wanted_region = authorization->service == "iam" ? iam_region : region;
  if (authorization->region != wanted_region || authorization->terminator != "aws4_request") {
    return mismatch(
        dialect, authorization->service,
        fmt::format("Credential should be scoped to a valid region, not '{}'", authorization->region));
  }
  const std::string timestamp(request.headers.get("x-amz-date"));
  TRY(check_time(*authorization, timestamp, dialect, now));
  TRY(check_signed_headers(request, *authorization, dialect));
  const std::string hash = TRY(payload_hash(request, *authorization, dialect));
  const std::string expected =
      sign(*authorization, secret, timestamp, canonical_request(request, *authorization, hash));
  if (!equal_secrets(as_bytes(expected), as_bytes(authorization->signature))) {
    return mismatch(dialect, authorization->service, "the signature differs");
  }
  return {};
}

}  // namespace rekindle::sandbox
