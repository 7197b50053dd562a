#include "sandbox/region/account_settings.h"

#include "base/file.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

template <typename T>
Result<T> named(const json& body, const char* name, const char* example) {
  try {
    const bool is_named = body.is_object() && body.contains(name) && body.at(name).is_string();
    if (is_named && !body.at(name).get<std::string>().empty()) return body.get<T>();
  } catch (const json::exception&) {
    // said below
  }
  return error(ErrorCode::invalid_argument, "something like {} is wanted", example);
}

}  // namespace

Result<std::unique_ptr<AccountSettings>> AccountSettings::open(const std::filesystem::path& directory) {
  std::unique_ptr<AccountSettings> settings(new AccountSettings(directory / "account.json"));
  const auto text = read_text_file(settings->file_);
  if (!text.ok() && text.error().code() != ErrorCode::not_found) return text.error();
  if (!text.ok()) return settings;
  try {
    const json kept = json::parse(*text);
    Content& content = settings->content_;
    if (kept.at("vcpus").is_number()) content.vcpus = kept.at("vcpus").get<double>();
    content.quotas = kept.value("quotas", content.quotas);
    kept.at("keys").get_to(content.keys);
    kept.at("profiles").get_to(content.profiles);
  } catch (const json::exception& wrong) {
    return error(ErrorCode::corrupt, "{} is not readable: {}", settings->file_.string(), wrong.what());
  }
  return settings;
}

Result<> AccountSettings::save(const Content& content) const {
  json all = {
      {"vcpus", nullptr}, {"quotas", content.quotas}, {"keys", content.keys}, {"profiles", content.profiles}};
  if (content.vcpus) all["vcpus"] = *content.vcpus;
  return write_file_atomically(file_, all.dump(1));
}

Result<> AccountSettings::set_quota(const json& body) {
  const bool of_vcpus = body.is_object() && body.contains("vcpus");
  const bool of_another = body.is_object() && body.contains("code") && body.at("code").is_string();
  const char* key = of_vcpus ? "vcpus" : "value";
  const bool is_quota =
      (of_vcpus || of_another) && body.contains(key) && (body.at(key).is_number() || body.at(key).is_null());
  if (!is_quota) {
    return error(ErrorCode::invalid_argument,
                 R"(a quota is like {{"vcpus": 32}}, or {{"code": "L-7A658B76", "value": 50}})");
  }
  const auto value = body.at(key).is_number() ? std::optional(body.at(key).get<double>()) : std::nullopt;
  const std::lock_guard lock(mutex_);
  if (of_vcpus) {
    content_.vcpus = value;
  } else if (value) {
    content_.quotas[body.at("code").get<std::string>()] = *value;
  } else {
    content_.quotas.erase(body.at("code").get<std::string>());
  }
  return save(content_);
}

Result<> AccountSettings::put_key(const json& body) {
  const KmsKey key = TRY(named<KmsKey>(body, "id", R"({"id": "1234abcd-...", "alias": "alias/dr"})"));
  const std::lock_guard lock(mutex_);
  content_.keys[key.id] = key;
  return save(content_);
}

Result<> AccountSettings::put_profile(const json& body) {
  const InstanceProfile profile =
      TRY(named<InstanceProfile>(body, "name", R"({"name": "web-role", "role": "web"})"));
  const std::lock_guard lock(mutex_);
  content_.profiles[profile.name] = profile;
  return save(content_);
}

std::optional<double> AccountSettings::vcpu_quota() const {
  const std::lock_guard lock(mutex_);
  return content_.vcpus;
}

std::optional<double> AccountSettings::other_quota(const std::string& code) const {
  const std::lock_guard lock(mutex_);
  const auto found = content_.quotas.find(code);
  return found == content_.quotas.end() ? std::nullopt : std::optional(found->second);
}

// "arn:aws:kms:us-east-1:000000000000:key/1234", "arn:...:alias/dr"
std::optional<KmsKey> AccountSettings::find_key(std::string_view key) const {
  if (key.starts_with("arn:")) {
    key = key.substr(key.rfind(':') + 1);
    if (key.starts_with("key/")) key.remove_prefix(4);
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [id, one] : content_.keys) {
    if (key == id || (!one.alias.empty() && key == one.alias)) return one;
  }
  return std::nullopt;
}

std::optional<InstanceProfile> AccountSettings::find_profile(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = content_.profiles.find(name);
  return found == content_.profiles.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace rekindle::sandbox
