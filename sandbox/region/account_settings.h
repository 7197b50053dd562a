// What the account has beside its resources: its quotas, keys of KMS, instance profiles of IAM. Set by the
// admin API (region.h).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle::sandbox {

// Of running on-demand Standard instances, where the account was given none of its own. (A new account of AWS
// has 5.)
inline constexpr double default_vcpu_quota = 256;

struct KmsKey {
  std::string id;
  std::string alias;  // "alias/dr"; empty: none
  std::string state = "Enabled";
  std::string usage = "ENCRYPT_DECRYPT";
  std::string spec = "SYMMETRIC_DEFAULT";
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(KmsKey, id, alias, state, usage, spec)

struct InstanceProfile {
  std::string name;
  std::string path = "/";
  std::string role;  // empty: none
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InstanceProfile, name, path, role)

// Any thread.
class AccountSettings {
 public:
  // `directory` holds account.json.
  static Result<std::unique_ptr<AccountSettings>> open(const std::filesystem::path& directory);

  // {"vcpus": 32}, or null for the default; {"code": "L-7A658B76", "value": 1}, likewise, of one that is only
  // told and not kept; {"id": ..., "alias": ...}; {"name": ..., "role": ...}. `invalid_argument`: it is none.
  Result<> set_quota(const nlohmann::json& body);
  Result<> put_key(const nlohmann::json& body);
  Result<> put_profile(const nlohmann::json& body);

  std::optional<double> vcpu_quota() const;  // none: the default holds
  std::optional<double> other_quota(const std::string& code) const;
  // By id, alias, or the last part of an ARN.
  std::optional<KmsKey> find_key(std::string_view key) const;
  std::optional<InstanceProfile> find_profile(const std::string& name) const;

 private:
  struct Content {
    std::optional<double> vcpus;
    std::map<std::string, double> quotas;  // others, by their code
    std::map<std::string, KmsKey> keys;
    std::map<std::string, InstanceProfile> profiles;
  };
  explicit AccountSettings(std::filesystem::path file) : file_(std::move(file)) {}
  Result<> save(const Content& content) const;

  const std::filesystem::path file_;
  mutable std::mutex mutex_;
  Content content_;
};

}  // namespace rekindle::sandbox
