#include "sandbox/region/roles.h"

#include "base/file.h"
#include "base/random.h"
#include "sandbox/region/access_requests.h"
#include "sandbox/region/digest.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {
constexpr std::int64_t for_ever_ms = INT64_MAX;

json to_json(const Role& role) {
  return {{"name", role.name},
          {"external_id", role.external_id},
          {"life_seconds", role.life_seconds},
          {"of_instances", role.of_instances},
          {"actions", role.actions},
          {"policy", role.policy ? role.policy->document() : json()}};
}

Result<Role> without_policy(const json& body) {
  const bool named = body.is_object() && body.contains("name") && body["name"].is_string();
  try {
    if (named) {
      return Role{body["name"],
                  body.value("external_id", ""),
                  body.value("life_seconds", 0LL),
                  body.value("of_instances", false),
                  body.value("actions", std::vector<std::string>()),
                  nullptr};
    }
  } catch (const json::exception&) {
    // said below
  }
  return error(
      ErrorCode::invalid_argument,
      "a role needs a name: {{\"name\": \"rekindle\", \"external_id\": \"...\", \"life_seconds\": 0}}");
}

Result<> check_condition_keys(const IamPolicyDocument& policy) {
  for (const std::string& key : policy.condition_keys()) {
    if (!is_known_condition_key(key))
      return error(ErrorCode::invalid_argument,
                   "the condition key {} is told by no request of the local region; add it to "
                   "access_requests.cc",
                   key);
  }
  return {};
}

}  // namespace

Result<Role> role_from_json(const json& body) {
  Role role = TRY(without_policy(body));
  const json document = body.value("policy", json());
  if (document.is_null()) return role;
  if (!role.actions.empty())
    return error(ErrorCode::invalid_argument, "the role {} has actions and a policy: give it one of them",
                 role.name);
  const IamPolicyDocument policy =
      TRY(IamPolicyDocument::parse(document), "the policy of the role {}", role.name);
  TRY(check_condition_keys(policy), "the policy of the role {}", role.name);
  role.policy = std::make_shared<const IamPolicyDocument>(policy);
  return role;
}

Result<std::unique_ptr<Roles>> Roles::open(const std::filesystem::path& directory, std::string secret) {
  std::unique_ptr<Roles> roles(new Roles(directory / "roles.json", std::move(secret)));
  const auto text = read_text_file(roles->file_);
  if (!text.ok() && text.error().code() != ErrorCode::not_found) return text.error();
  const json kept = text.ok() ? json::parse(*text, nullptr, false) : json::array();
  for (const json& body : kept) {
    const Role role = TRY(role_from_json(body), "{}", roles->file_.string());
    roles->roles_[role.name] = role;
  }
  return roles;
}

Result<> Roles::put(const Role& role) {
  const std::lock_guard lock(mutex_);
  auto next = roles_;
  next[role.name] = role;
  json all = json::array();
  for (const auto& [name, one] : next) all.push_back(to_json(one));
  TRY(write_file_atomically(file_, all.dump(1)));
  roles_ = std::move(next);
  return {};
}

std::optional<Role> Roles::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = roles_.find(name);
  return found == roles_.end() ? std::nullopt : std::optional<Role>(found->second);
}

std::optional<Role> Roles::of_instances() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, role] : roles_) {
    if (role.of_instances) return role;
  }
  return std::nullopt;
}

std::string Roles::secret_of(const std::string& access_key) const {
  return to_base64(hmac_sha256(as_bytes(secret_), as_bytes(access_key)));
}

// The token is "SEAL.SESSION"; the seal holds the end of the session.
TemporaryKey Roles::issue(const std::string& session, std::int64_t now_ms, std::int64_t seconds) const {
  SystemRandom random;
  Bytes number(8);
  random.fill(number);
  TemporaryKey key;
  key.access_key = "ASIA" + to_hex(number);
  key.secret_key = secret_of(key.access_key);
  key.expires_ms = now_ms + seconds * 1000;
  const std::string seal =
      tokens_.make(key.access_key + session, static_cast<std::uint64_t>(key.expires_ms), for_ever_ms);
  key.session_token = seal + "." + to_base64(as_bytes(session));
  return key;
}

std::optional<Roles::Session> Roles::session_of(const std::string& access_key, std::string_view session_token,
                                                std::int64_t now_ms) const {
  const auto dot = session_token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto name = from_base64(session_token.substr(dot + 1));
  if (!name.ok()) return std::nullopt;
  const std::string session(as_text(*name));
  const auto expires = tokens_.open(access_key + session, session_token.substr(0, dot), now_ms);
  if (!expires) return std::nullopt;
  return Session{session, secret_of(access_key), *expires <= static_cast<std::uint64_t>(now_ms)};
}

}  // namespace rekindle::sandbox
