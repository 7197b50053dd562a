// IAM roles of the local region, and the temporary keys that STS and the instance metadata service give out
// for them. Keys are not kept: their secret and session token follow from the region's secret, so that they
// outlive a restart of the server, as AWS's do.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/region/iam_policy_document.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/tokens.h"

namespace rekindle::sandbox {

struct Role {
  std::string name;
  std::string external_id;                          // that a caller must give; empty: none is asked for
  std::int64_t life_seconds = 0;                    // of its sessions, whatever is asked for; 0: as asked for
  bool of_instances = false;                        // they and the proxies have it
  std::vector<std::string> actions;                 // that it may do: "ec2:RunInstances"; empty: all
  std::shared_ptr<const IamPolicyDocument> policy;  // what it may do, in place of `actions`; null: none
};

struct TemporaryKey {
  std::string access_key;  // ASIA...
  std::string secret_key;
  std::string session_token;
  std::int64_t expires_ms = 0;
};

// Any thread.
class Roles {
 public:
  // `directory` holds roles.json.
  static Result<std::unique_ptr<Roles>> open(const std::filesystem::path& directory, std::string secret);

  // Makes or replaces it.
  Result<> put(const Role& role);
  std::optional<Role> find(const std::string& name) const;
  // The first by name that is for them.
  std::optional<Role> of_instances() const;

  // `session` is "ROLE/NAME OF THE SESSION".
  TemporaryKey issue(const std::string& session, std::int64_t now_ms, std::int64_t seconds) const;
  struct Session {
    std::string name;  // as it was issued
    std::string secret_key;
    bool expired = false;
  };
  // Nothing: the token is not that of the access key.
  std::optional<Session> session_of(const std::string& access_key, std::string_view session_token,
                                    std::int64_t now_ms) const;

 private:
  Roles(std::filesystem::path file, std::string secret)
      : file_(std::move(file)), secret_(std::move(secret)), tokens_("session " + secret_) {}
  std::string secret_of(const std::string& access_key) const;

  const std::filesystem::path file_;
  const std::string secret_;
  const Tokens tokens_;
  mutable std::mutex mutex_;
  std::map<std::string, Role> roles_;
};

// {"name": "dr", "policy": {...}}. `invalid_argument`: it is none, or its policy has what could not be judged
// here.
Result<Role> role_from_json(const nlohmann::json& body);

}  // namespace rekindle::sandbox
