#include "sandbox/region/json_services.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "sandbox/region/json_members.h"
#include "sandbox/region/run_command.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr const char* content_type = "application/x-amz-json-1.1";
constexpr const char* vcpu_quota_code = "L-1216C47A";
constexpr const char* pending_quota_code = "L-94D7AB7D";

struct KnownQuota {
  const char *service, *code, *name;
  double default_value;  // as AWS gives it to accounts, but for the vCPUs
  bool adjustable = true;
};
constexpr KnownQuota known_quotas[] = {
    {"ec2", vcpu_quota_code, "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
     default_vcpu_quota},
    {"ebs", "L-D18FCD1D", "Storage for General Purpose SSD (gp2) volumes, in TiB", 50},
    {"ebs", "L-7A658B76", "Storage for General Purpose SSD (gp3) volumes, in TiB", 50},
    {"ebs", "L-FD252861", "Storage for Provisioned IOPS SSD (io1) volumes, in TiB", 50},
    {"ebs", "L-09BD8365", "Storage for Provisioned IOPS SSD (io2) volumes, in TiB", 20},
    {"ebs", "L-17AF77E8", "Storage for Cold HDD (sc1) volumes, in TiB", 50},
    {"ebs", "L-82ACEF56", "Storage for Throughput Optimized HDD (st1) volumes, in TiB", 50},
    {"ebs", "L-9CF3C2EB", "Storage for Magnetic (standard) volumes, in TiB", 50},
    {"ebs", "L-309BACF6", "Snapshots per Region", 100000},
    {"ebs", pending_quota_code, "Pending snapshots per account", 100, false}};

// The account's own value of a quota; none: it has the default.
std::optional<double> own_value(const AccountSettings& account, const std::string& code) {
  return code == vcpu_quota_code ? account.vcpu_quota() : account.other_quota(code);
}

Outcome<json> tell_quota(const RegionOptions& options, const AccountSettings& account, const json& body,
                         bool of_account) {
  const std::string service = TRY(required_text(body, "ServiceCode"));
  const std::string code = TRY(required_text(body, "QuotaCode"));
  const auto* quota =
      std::find_if(std::begin(known_quotas), std::end(known_quotas),
                   [&](const KnownQuota& one) { return service == one.service && code == one.code; });
  const bool known = quota != std::end(known_quotas);
  const auto own = known && of_account ? own_value(account, code) : std::optional<double>();
  if (!known || (of_account && !own))
    return refuse("NoSuchResourceException",
                  "The request failed because the specified quota does not exist.");
  const double default_value =
      code == pending_quota_code ? static_cast<double>(options.pending_snapshots) : quota->default_value;
  return json{{"Quota",
               {{"ServiceCode", service},
                {"ServiceName", service == "ec2" ? "Amazon Elastic Compute Cloud (Amazon EC2)"
                                                 : "Amazon Elastic Block Store (Amazon EBS)"},
                {"QuotaArn", fmt::format("arn:aws:servicequotas:{}:{}:{}/{}", options.name,
                                         options.account_id, service, code)},
                {"QuotaCode", code},
                {"QuotaName", quota->name},
                {"Value", own.value_or(default_value)},
                {"Unit", "None"},
                {"Adjustable", quota->adjustable},
                {"GlobalQuota", false}}}};
}

Outcome<json> describe_key(const RegionOptions& options, const AccountSettings& account, const json& body) {
  const std::string wanted = TRY(required_text(body, "KeyId"));
  const auto key = account.find_key(wanted);
  if (!key) return refuse("NotFoundException", "Key or alias {} is not found.", wanted);
  return json{{"KeyMetadata",
               {{"AWSAccountId", options.account_id},
                {"KeyId", key->id},
                {"Arn", fmt::format("arn:aws:kms:{}:{}:key/{}", options.name, options.account_id, key->id)},
                {"Enabled", key->state == "Enabled"},
                {"KeyState", key->state},
                {"KeyUsage", key->usage},
                {"KeySpec", key->spec},
                {"CustomerMasterKeySpec", key->spec},
                {"KeyManager", "CUSTOMER"},
                {"Origin", "AWS_KMS"},
                {"MultiRegion", false}}}};
}

Outcome<> usable(const AccountSettings& account, const json& body, const char* name) {
  const std::string wanted = TRY(required_text(body, name));
  const auto key = account.find_key(wanted);
  if (!key) return refuse("NotFoundException", "Key or alias {} is not found.", wanted);
  if (key->state != "Enabled") return refuse("DisabledException", "{} is {}.", wanted, key->state);
  return {};
}

// Only tried: what EBS asks KMS for.
Outcome<json> try_key(const AccountSettings& account, std::string_view action, const json& body) {
  const bool two_keys = action == "ReEncrypt";
  TRY(usable(account, body, two_keys ? "SourceKeyId" : "KeyId"));
  if (two_keys) TRY(usable(account, body, "DestinationKeyId"));
  if (action == "CreateGrant") TRY(required_text(body, "GranteePrincipal"));
  const bool of_a_ciphertext = two_keys || action == "Decrypt";
  const bool needs_none = body.value("DryRunModifiers", json::array()) == json::array({"IGNORE_CIPHERTEXT"});
  if (of_a_ciphertext && !needs_none) TRY(required_text(body, "CiphertextBlob"));
  if (body.value("DryRun", false))
    return refuse("DryRunOperationException",
                  "The request would have succeeded, but the DryRun option is set.");
  return refuse("UnsupportedOperationException", "The local region only tries this (DryRun)");
}

bool is_tried_key_call(std::string_view action) {
  return action == "GenerateDataKeyWithoutPlaintext" || action == "Decrypt" || action == "ReEncrypt" ||
         action == "CreateGrant";
}

Outcome<json> perform(Cloud& cloud, const std::string& service, const HttpRequest& request) {
  const RegionOptions& options = cloud.options();
  const AccountSettings& account = cloud.account();
  const json body = json::parse(request.body_text(), nullptr, false);
  if (!body.is_object()) return refuse("SerializationException", "The body is not a JSON object");
  const std::string_view target = request.headers.get("X-Amz-Target");
  if (service == "servicequotas" && target == "ServiceQuotasV20190624.GetServiceQuota")
    return tell_quota(options, account, body, true);
  if (service == "servicequotas" && target == "ServiceQuotasV20190624.GetAWSDefaultServiceQuota")
    return tell_quota(options, account, body, false);
  if (service == "kms" && target == "TrentService.DescribeKey") return describe_key(options, account, body);
  constexpr std::string_view kms = "TrentService.";
  if (service == "kms" && target.starts_with(kms) && is_tried_key_call(target.substr(kms.size())))
    return try_key(account, target.substr(kms.size()), body);
  constexpr std::string_view ssm = "AmazonSSM.";
  if (service == "ssm" && target.starts_with(ssm) && is_run_command(target.substr(ssm.size())))
    return run_command(cloud, target.substr(ssm.size()), body);
  return refuse("UnknownOperationException", "The local region does not implement '{}'", target);
}

}  // namespace

bool speaks_json(std::string_view service) {
  return service == "servicequotas" || service == "kms" || service == "ssm";
}

std::string json_action(const HttpRequest& request) {
  const std::string_view target = request.headers.get("X-Amz-Target");
  const auto dot = target.rfind('.');
  return std::string(dot == std::string_view::npos ? std::string_view() : target.substr(dot + 1));
}

HttpResponse answer_json(Cloud& cloud, const std::string& service, const HttpRequest& request) {
  auto done = perform(cloud, service, request);
  if (!done.ok()) return json_refusal(std::move(done).error());
  return HttpResponse::text(200, content_type, (*done).dump());
}

HttpResponse json_refusal(const Refusal& refusal) {
  const json body = {{"__type", refusal.code}, {"message", refusal.message}};
  return HttpResponse::text(refusal.status, content_type, body.dump());
}

}  // namespace rekindle::sandbox
