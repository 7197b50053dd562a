#include "sandbox/region/metadata.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace rekindle::sandbox {

namespace {

constexpr std::int64_t longest_token_life = 21600;
constexpr std::int64_t role_session_seconds = 6 * 3600;
constexpr std::string_view roles_path = "/latest/meta-data/iam/security-credentials/";

HttpResponse plain(int status, std::string_view text) {
  return HttpResponse::text(status, "text/plain", text);
}

HttpResponse give_token(const Tokens& tokens, const HttpRequest& request, std::int64_t now_ms) {
  if (request.method != "PUT") return plain(405, "");
  const std::string_view wanted = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds");
  std::int64_t seconds = 0;
  std::from_chars(wanted.data(), wanted.data() + wanted.size(), seconds);
  if (seconds < 1 || seconds > longest_token_life) return plain(400, "");
  return plain(200, tokens.make("metadata", 0, now_ms + seconds * 1000));
}

std::string iso(std::int64_t ms) {
  return to_iso8601(Time(std::chrono::milliseconds(ms / 1000 * 1000)));
}

HttpResponse role_credentials(const Roles& roles, const Role& role, std::int64_t now_ms) {
  const TemporaryKey key = roles.issue(role.name + "/instance", now_ms,
                                       role.life_seconds > 0 ? role.life_seconds : role_session_seconds);
  const nlohmann::json body = {{"Code", "Success"},
                               {"LastUpdated", iso(now_ms)},
                               {"Type", "AWS-HMAC"},
                               {"AccessKeyId", key.access_key},
                               {"SecretAccessKey", key.secret_key},
                               {"Token", key.session_token},
                               {"Expiration", iso(key.expires_ms)}};
  return plain(200, body.dump(2));
}

}  // namespace

HttpResponse answer_metadata(const RegionOptions& options, const Roles& roles, const HttpRequest& request,
                             std::int64_t now_ms) {
  const Tokens tokens("metadata " + options.secret_key);
  if (request.path == "/latest/api/token") return give_token(tokens, request, now_ms);
  if (!tokens.open("metadata", request.headers.get("X-aws-ec2-metadata-token"), now_ms))
    return plain(401, "");
  if (request.method != "GET") return plain(405, "");
  if (request.path == "/latest/meta-data/placement/region") return plain(200, options.name);
  const auto role = roles.of_instances();
  if (!role || !request.path.starts_with(roles_path)) return plain(404, "");
  const std::string_view asked = std::string_view(request.path).substr(roles_path.size());
  if (asked.empty()) return plain(200, role->name);
  return asked == role->name ? role_credentials(roles, *role, now_ms) : plain(404, "");
}

}  // namespace rekindle::sandbox
