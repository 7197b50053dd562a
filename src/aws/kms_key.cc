#include "aws/kms_key.h"

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

namespace {

// The KeyMetadata of the answer; a sentence about why there is none.
Result<std::variant<json, std::string>> describe_key(JsonClient& kms, const std::string& key) {
  using Outcome = std::variant<json, std::string>;
  const auto outcome = kms.send("DescribeKey", {{"KeyId", key}});
  if (!outcome.ok()) return Outcome(outcome.error().message());
  if (const auto* fault = std::get_if<AwsFault>(&*outcome)) {
    if (says_no_such_key(*fault)) return no_such_key(key, kms.service().options().region);
    return Outcome(kms.service().error_of(*fault, "DescribeKey").message());
  }
  const json& answer = std::get<json>(*outcome);
  const auto metadata = answer.find("KeyMetadata");
  if (metadata != answer.end() && metadata->is_object()) return Outcome(*metadata);
  return Outcome(std::string("AWS answered without KeyMetadata"));
}

bool is_key_arn(const std::string& key) {
  return key.starts_with("arn:") && key.find(":key/") != std::string::npos;
}

// What EBS does with a key when it makes a volume, in our name. A refusal proves nothing: a key's policy may
// allow it only through EC2 (kms:ViaService), as that of AWS's own key for volumes does. Other faults say
// nothing about the key at all.
Unproven try_key(JsonClient& kms, const std::string& key) {
  const auto tried =
      kms.send("GenerateDataKeyWithoutPlaintext", {{"KeyId", key}, {"KeySpec", "AES_256"}, {"DryRun", true}});
  const auto* fault = tried.ok() ? std::get_if<AwsFault>(&*tried) : nullptr;
  if (tried.ok() && (fault == nullptr || fault->code == "DryRunOperationException")) return {};
  const std::string said = fault != nullptr
                               ? kms.service().error_of(*fault, "GenerateDataKeyWithoutPlaintext").message()
                               : tried.error().message();
  if (fault == nullptr || fault->code != "AccessDeniedException") {
    return {fmt::format("whether volumes can be encrypted with the KMS key {} was not tried: {}", key, said)};
  }
  return {fmt::format(
      "whether volumes can be encrypted with the KMS key {} is not proven ({}): a key that may be used only "
      "through EC2 says so, too; a test failover proves it",
      key, said)};
}

// What EBS asks KMS for beside the data key: to open one, to have it in the form of another volume, and to
// let the host of an instance open it (a grant). Of the first two DryRun needs no ciphertext
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, DryRunModifiers).
struct KeyCall {
  const char* action;
  json parameters;
};
std::vector<KeyCall> calls_of_ebs(const json& metadata, const std::string& key) {
  const json modifiers = {"IGNORE_CIPHERTEXT"};
  std::vector<KeyCall> calls = {
      {"Decrypt", {{"KeyId", key}, {"DryRun", true}, {"DryRunModifiers", modifiers}}},
      {"ReEncrypt",
       {{"SourceKeyId", key}, {"DestinationKeyId", key}, {"DryRun", true}, {"DryRunModifiers", modifiers}}}};
  const std::string account = text_of(metadata, "AWSAccountId");
  const std::string arn = text_of(metadata, "Arn");
  if (account.empty() || !arn.starts_with("arn:")) return calls;
  const std::string partition = arn.substr(0, arn.find(':', 4));
  calls.push_back({"CreateGrant",
                   {{"KeyId", key},
                    {"GranteePrincipal", fmt::format("{}:iam::{}:root", partition, account)},
                    {"Operations", {"Decrypt"}},
                    {"DryRun", true}}});
  return calls;
}

// Whether the refusal says something. Where keys may be granted to AWS's own services only
// (kms:GrantIsForAWSResource), as in the policy that we print, a grant that we ask for ourselves is refused
// for want of a statement that allows it; a statement that forbids it is another matter.
bool is_telling(const AwsFault& fault, std::string_view action) {
  if (fault.code == "ValidationException") return false;  // KMS there does not know DryRunModifiers
  return action != "CreateGrant" || fault.code != "AccessDeniedException" ||
         fault.message.find("explicit deny") != std::string::npos;
}

Unproven try_calls_of_ebs(JsonClient& kms, const json& metadata, const std::string& key) {
  Unproven unproven;
  for (const KeyCall& call : calls_of_ebs(metadata, key)) {
    const auto tried = kms.send(call.action, call.parameters);
    if (!tried.ok())
      return {
          fmt::format("whether EBS may use the KMS key {} was not tried: {}", key, tried.error().message())};
    const auto* fault = std::get_if<AwsFault>(&*tried);
    if (fault == nullptr || fault->code == "DryRunOperationException" || !is_telling(*fault, call.action))
      continue;
    unproven.push_back(
        fmt::format("that EBS may use the KMS key {} is not proven ({}); a test failover "
                    "proves it",
                    key, kms.service().error_of(*fault, call.action).message()));
  }
  return unproven;
}

}  // namespace

Result<Unproven> try_kms_key(JsonClient& kms, const std::string& key) {
  const auto described = TRY(describe_key(kms, key));
  if (const auto* why = std::get_if<std::string>(&described))
    return Unproven{fmt::format("whether the KMS key {} may be used was not asked: {}", key, *why)};
  const json& metadata = std::get<json>(described);
  TRY(check_metadata(metadata, key));
  if (text_of(metadata, "KeyManager") == "AWS") return Unproven{};
  Unproven unproven = try_key(kms, key);
  const Unproven more = try_calls_of_ebs(kms, metadata, key);
  unproven.insert(unproven.end(), more.begin(), more.end());
  return unproven;
}

Result<Unproven> check_kms_key(JsonClient& kms, const std::string& key) {
  const auto described = TRY(describe_key(kms, key));
  if (const auto* why = std::get_if<std::string>(&described))
    return Unproven{fmt::format("whether the KMS key {} may be used was not asked: {}", key, *why)};
  const json& metadata = std::get<json>(described);
  TRY(check_metadata(metadata, key));
  return text_of(metadata, "KeyManager") == "AWS" ? Unproven{} : try_key(kms, key);
}

Result<std::string> kms_key_arn(JsonClient& kms, const std::string& key) {
  if (key.empty() || is_key_arn(key)) return key;
  const auto described = TRY(describe_key(kms, key));
  const auto* metadata = std::get_if<json>(&described);
  if (metadata != nullptr && !text_of(*metadata, "Arn").empty()) return text_of(*metadata, "Arn");
  return error(ErrorCode::failed_precondition,
               "the ARN of the KMS key '{}' is not known ({}), and images are encrypted by none without it: "
               "allow kms:DescribeKey, or set the ARN (arn:aws:kms:REGION:ACCOUNT:key/ID) in the DR plan",
               key, metadata != nullptr ? "AWS did not say it" : std::get<std::string>(described));
}

}  // namespace rekindle
