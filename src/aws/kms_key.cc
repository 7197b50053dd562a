#include "aws/kms_key.h"

#include "base/log.h"

namespace rekindle {

namespace {

using nlohmann::json;

bool says_no_such_key(const AwsFault& fault) {
  return fault.code == "NotFoundException" || fault.code == "InvalidArnException" ||
         fault.code == "ValidationException";
}

Error no_such_key(const std::string& key, const std::string& region) {
  return error(ErrorCode::invalid_argument,
               "KMS has no key '{}' in region {}; list them with `aws kms list-aliases --region {}` and set "
               "one, or none, in the DR plan (volumes: kms_key)",
               key, region, region);
}

std::string way_out_of(const std::string& state, const std::string& key) {
  if (state == "Disabled") return fmt::format("enable it with `aws kms enable-key --key-id {}`", key);
  if (state == "PendingDeletion")
    return fmt::format("save it with `aws kms cancel-key-deletion --key-id {}`, then enable it", key);
  if (state == "PendingImport") return "import its key material";
  return "wait until it is enabled";
}

std::string text_of(const json& metadata, const char* name) {
  const auto at = metadata.find(name);
  return at != metadata.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Result<> check_metadata(const json& metadata, const std::string& key) {
  const std::string state = text_of(metadata, "KeyState");
  if (state != "Enabled") {
    return error(ErrorCode::invalid_argument,
                 "the KMS key '{}' is '{}' and encrypts nothing: {}, or set another one in the DR plan", key,
                 state, way_out_of(state, key));
  }
  const std::string usage = text_of(metadata, "KeyUsage");
  const std::string spec = text_of(metadata, "KeySpec");  // asymmetric keys can be for encryption, too
  if (usage == "ENCRYPT_DECRYPT" && (spec.empty() || spec == "SYMMETRIC_DEFAULT")) return {};
  return error(ErrorCode::invalid_argument,
               "the KMS key '{}' is made for {} ({}), and volumes need a symmetric one that encrypts; set "
               "another one in the DR plan",
               key, usage, spec);
}

}  // namespace

Result<> check_kms_key(JsonClient& kms, const std::string& key) {
  const auto outcome = kms.send("DescribeKey", {{"KeyId", key}});
  if (!outcome.ok()) {
    log::warn("the KMS key {} is not checked: {}", key, outcome.error().message());
    return {};
  }
  if (const auto* fault = std::get_if<AwsFault>(&*outcome)) {
    if (says_no_such_key(*fault)) return no_such_key(key, kms.service().options().region);
    log::warn("the KMS key {} is not checked: {}", key,
              kms.service().error_of(*fault, "DescribeKey").message());
    return {};
  }
  const json& answer = std::get<json>(*outcome);
  const auto metadata = answer.find("KeyMetadata");
  if (metadata != answer.end() && metadata->is_object()) return check_metadata(*metadata, key);
  log::warn("the KMS key {} is not checked: AWS answered without KeyMetadata", key);
  return {};
}

}  // namespace rekindle
