#include "sandbox/region/json_services.h"

#include <nlohmann/json.hpp>

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

constexpr const char* content_type = "application/x-amz-json-1.1";
constexpr const char* vcpu_quota_code = "L-1216C47A";

Outcome<std::string> required(const json& body, const char* name) {
  if (body.contains(name) && body.at(name).is_string()) return body.at(name).get<std::string>();
  return refuse(
      "ValidationException",
      "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not "
      "be null",
      name);
}

Outcome<json> vcpu_quota(const RegionOptions& options, const json& body, std::optional<double> value) {
  const std::string service = TRY(required(body, "ServiceCode"));
  const std::string code = TRY(required(body, "QuotaCode"));
  if (service != "ec2" || code != vcpu_quota_code || !value)
    return refuse("NoSuchResourceException",
                  "The request failed because the specified quota does not exist.");
  return json{{"Quota",
               {{"ServiceCode", service},
                {"ServiceName", "Amazon Elastic Compute Cloud (Amazon EC2)"},
                {"QuotaArn",
                 fmt::format("arn:aws:servicequotas:{}:{}:ec2/{}", options.name, options.account_id, code)},
                {"QuotaCode", code},
                {"QuotaName", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"},
                {"Value", *value},
                {"Unit", "None"},
                {"Adjustable", true},
                {"GlobalQuota", false}}}};
}

Outcome<json> describe_key(const RegionOptions& options, const AccountSettings& account, const json& body) {
  const std::string wanted = TRY(required(body, "KeyId"));
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

// Only tried: what EBS asks KMS for.
Outcome<json> generate_data_key(const AccountSettings& account, const json& body) {
  const std::string wanted = TRY(required(body, "KeyId"));
  const auto key = account.find_key(wanted);
  if (!key) return refuse("NotFoundException", "Key or alias {} is not found.", wanted);
  if (key->state != "Enabled") return refuse("DisabledException", "{} is {}.", wanted, key->state);
  if (body.value("DryRun", false))
    return refuse("DryRunOperationException",
                  "The request would have succeeded, but the DryRun option is set.");
  return refuse("UnsupportedOperationException", "The local region only tries this (DryRun)");
}

Outcome<json> perform(const RegionOptions& options, const AccountSettings& account,
                      const std::string& service, const HttpRequest& request) {
  const json body = json::parse(request.body_text(), nullptr, false);
  if (!body.is_object()) return refuse("SerializationException", "The body is not a JSON object");
  const std::string_view target = request.headers.get("X-Amz-Target");
  if (service == "servicequotas" && target == "ServiceQuotasV20190624.GetServiceQuota")
    return vcpu_quota(options, body, account.vcpu_quota());
  if (service == "servicequotas" && target == "ServiceQuotasV20190624.GetAWSDefaultServiceQuota")
    return vcpu_quota(options, body, default_vcpu_quota);
  if (service == "kms" && target == "TrentService.DescribeKey") return describe_key(options, account, body);
  if (service == "kms" && target == "TrentService.GenerateDataKeyWithoutPlaintext")
    return generate_data_key(account, body);
  return refuse("UnknownOperationException", "The local region does not implement '{}'", target);
}

}  // namespace

bool speaks_json(std::string_view service) {
  return service == "servicequotas" || service == "kms";
}

std::string json_action(const HttpRequest& request) {
  const std::string_view target = request.headers.get("X-Amz-Target");
  const auto dot = target.rfind('.');
  return std::string(dot == std::string_view::npos ? std::string_view() : target.substr(dot + 1));
}

HttpResponse answer_json(const RegionOptions& options, const AccountSettings& account,
                         const std::string& service, const HttpRequest& request) {
  auto done = perform(options, account, service, request);
  if (!done.ok()) return json_refusal(std::move(done).error());
  return HttpResponse::text(200, content_type, (*done).dump());
}

HttpResponse json_refusal(const Refusal& refusal) {
  const json body = {{"__type", refusal.code}, {"message", refusal.message}};
  return HttpResponse::text(refusal.status, content_type, body.dump());
}

}  // namespace rekindle::sandbox
