#include "sandbox/region/metadata.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace rekindle::sandbox {

namespace {

constexpr std::int64_t longest_token_life = 21600;
constexpr std::int64_t role_session_seconds = 6 * 3600;
constexpr const char* roles_path = "meta-data/iam/security-credentials/";

HttpResponse plain(int status, std::string_view text) {
  return HttpResponse::text(status, "text/plain", text);
}

HttpResponse give_token(const Tokens& tokens, const std::string& caller, const HttpRequest& request,
                        std::int64_t now_ms) {
  if (request.method != "PUT") return plain(405, "");
  const std::string_view wanted = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds");
  std::int64_t seconds = 0;
  std::from_chars(wanted.data(), wanted.data() + wanted.size(), seconds);
  if (seconds < 1 || seconds > longest_token_life) return plain(400, "");
  HttpResponse given = plain(200, tokens.make(caller, 0, now_ms + seconds * 1000));
  given.headers.set("X-aws-ec2-metadata-token-ttl-seconds", std::to_string(seconds));
  return given;
}

std::string iso(std::int64_t ms) {
  return to_iso8601(Time(std::chrono::milliseconds(ms / 1000 * 1000)));
}

HttpResponse role_credentials(const Roles& roles, const Metadata& metadata, std::int64_t now_ms) {
  const Role& role = *metadata.role;
  const TemporaryKey key = roles.issue(role.name + "/" + metadata.role_session, now_ms,
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

// "a/\nb": what is below `folder`, which ends with a slash or is empty.
std::string names_in(const std::map<std::string, std::string>& values, const std::string& folder) {
  std::string names, last;
  for (auto at = values.lower_bound(folder); at != values.end() && at->first.starts_with(folder); ++at) {
    const std::string_view rest = std::string_view(at->first).substr(folder.size());
    const auto slash = rest.find('/');
    std::string name(rest.substr(0, slash == std::string_view::npos ? slash : slash + 1));
    if (name == last) continue;
    names += (names.empty() ? "" : "\n") + name;
    last = std::move(name);
  }
  return names;
}

HttpResponse look_up(const Metadata& metadata, std::string path) {
  const auto value = metadata.values.find(path);
  if (value != metadata.values.end()) return plain(200, value->second);
  if (!path.empty() && !path.ends_with('/')) path += '/';
  const std::string names = names_in(metadata.values, path);
  return names.empty() ? plain(404, "") : plain(200, names);
}

}  // namespace

Metadata metadata_of_proxies(const RegionOptions& options, const Roles& roles) {
  Metadata metadata;
  metadata.caller = "metadata";
  metadata.values["meta-data/placement/region"] = options.name;
  metadata.role = roles.of_instances();
  metadata.role_session = "instance";
  return metadata;
}

HttpResponse answer_metadata(const Metadata& metadata, const RegionOptions& options, const Roles& roles,
                             const HttpRequest& request, std::int64_t now_ms) {
  if (!metadata.enabled) return plain(403, "");
  if (!request.path.starts_with(metadata_prefix)) return plain(404, "");
  const Tokens tokens("metadata " + options.secret_key);
  if (request.path == "/latest/api/token") return give_token(tokens, metadata.caller, request, now_ms);
  const std::string_view token = request.headers.get("X-aws-ec2-metadata-token");
  const bool version_1 = token.empty() && !metadata.token_required;
  if (!version_1 && !tokens.open(metadata.caller, token, now_ms)) return plain(401, "");
  if (request.method != "GET") return plain(405, "");
  const std::string path = request.path.substr(metadata_prefix.size());
  if (!metadata.role) return look_up(metadata, path);
  const std::string credentials = roles_path + metadata.role->name;
  if (path == credentials) return role_credentials(roles, metadata, now_ms);
  Metadata with_role = metadata;
  with_role.values[credentials];
  return look_up(with_role, path);
}

}  // namespace rekindle::sandbox
