#include "sandbox/region/access_requests.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "net/url.h"
#include "sandbox/region/ebs_direct.h"
#include "sandbox/region/ec2.h"

namespace rekindle::sandbox {

using nlohmann::json;

namespace {

std::string text_of(const json& body, const char* name) {
  const auto at = body.is_object() ? body.find(name) : body.end();
  return body.is_object() && at != body.end() && at->is_string() ? at->get<std::string>() : std::string();
}

// What is no tag the service refuses itself.
Tags tags_in(const json& body) {
  Tags tags;
  if (!body.is_object() || !body.contains("Tags")) return tags;
  for (const json& tag : body.at("Tags")) tags[text_of(tag, "Key")] = text_of(tag, "Value");
  return tags;
}

AccessRequest of_snapshot(const AccessWorld& world, const std::string& action, const std::string& id) {
  AccessRequest asked{"ebs:" + action, ec2_arn(world.options, "snapshot", id)};
  const auto snapshot = world.state.find<Snapshot>(id);
  if (snapshot && snapshot->created_ms <= world.visible_until_ms)
    add_resource_tags(asked.context, snapshot->tags);
  return asked;
}

std::vector<AccessRequest> of_start_snapshot(const AccessWorld& world, const HttpRequest& request) {
  const json body = json::parse(request.body_text(), nullptr, false);
  const Tags tags = tags_in(body);
  AccessRequest start{"ebs:StartSnapshot", ec2_arn(world.options, "snapshot", "*")};
  add_request_tags(start.context, tags);
  if (const std::string parent = text_of(body, "ParentSnapshotId"); !parent.empty())
    start.context["ebs:ParentSnapshot"] = {ec2_arn(world.options, "snapshot", parent)};
  if (const std::string description = text_of(body, "Description"); !description.empty())
    start.context["ebs:Description"] = {description};
  std::vector<AccessRequest> asked = {start};
  if (tags.empty()) return asked;
  AccessRequest tagging{"ec2:CreateTags", start.resource};
  add_request_tags(tagging.context, tags);
  asked.push_back(std::move(tagging));
  return asked;
}

std::vector<AccessRequest> of_ebs(const AccessWorld& world, const HttpRequest& request) {
  const EbsRoute route = ebs_route(request);
  if (route.action == "StartSnapshot") return of_start_snapshot(world, request);
  std::vector<AccessRequest> asked = {of_snapshot(world, route.action, route.snapshot_id)};
  if (route.action != "ListChangedBlocks") return asked;
  for (const auto& [name, value] : parse_query(request.query, false)) {
    if (name == "firstSnapshotId") asked.push_back(of_snapshot(world, route.action, value));
  }
  return asked;
}

std::vector<AccessRequest> of_iam(const AccessWorld& world, const std::string& action,
                                  const HttpRequest& request) {
  if (action != "GetInstanceProfile") return {{"iam:" + action, "*"}};
  const std::string name = parameters_of(request).text("InstanceProfileName");
  const auto profile = world.account.find_profile(name);
  return {{"iam:" + action, fmt::format("arn:aws:iam::{}:instance-profile{}{}", world.options.account_id,
                                        profile ? profile->path : "/", name)}};
}

std::string region_arn(const AccessWorld& world, std::string_view service, std::string_view rest) {
  return fmt::format("arn:aws:{}:{}:{}:{}", service, world.options.name, world.options.account_id, rest);
}

std::vector<AccessRequest> of_key(const AccessWorld& world, const std::string& action,
                                  const std::string& wanted) {
  const auto key = world.account.find_key(wanted);
  if (key) return {{"kms:" + action, region_arn(world, "kms", "key/" + key->id)}};
  if (wanted.find("alias/") != std::string::npos) return {};
  return {{"kms:" + action, wanted.starts_with("arn:") ? wanted : region_arn(world, "kms", "key/" + wanted)}};
}

// Called directly, not through another service: without kms:ViaService, and grants are for nobody of AWS.
std::vector<AccessRequest> of_kms(const AccessWorld& world, const std::string& action, const json& body) {
  if (action != "ReEncrypt") return of_key(world, action, text_of(body, "KeyId"));
  auto asked = of_key(world, "ReEncryptFrom", text_of(body, "SourceKeyId"));
  const auto to = of_key(world, "ReEncryptTo", text_of(body, "DestinationKeyId"));
  asked.insert(asked.end(), to.begin(), to.end());
  return asked;
}

std::vector<AccessRequest> of_quotas(const AccessWorld& world, const std::string& action, const json& body) {
  if (action != "GetServiceQuota") return {{"servicequotas:" + action, "*"}};
  const std::string quota = text_of(body, "ServiceCode") + "/" + text_of(body, "QuotaCode");
  return {{"servicequotas:" + action, region_arn(world, "servicequotas", quota)}};
}

// The document is of no account: it is AWS's own.
std::vector<AccessRequest> of_run_command(const AccessWorld& world, const std::string& action,
                                          const json& body) {
  if (action != "SendCommand") return {{"ssm:" + action, "*"}};
  const std::string document = text_of(body, "DocumentName");
  const std::string account = document.starts_with("AWS-") ? "" : world.options.account_id;
  std::vector<AccessRequest> asked = {
      {"ssm:SendCommand",
       fmt::format("arn:aws:ssm:{}:{}:document/{}", world.options.name, account, document)}};
  const json ids = body.is_object() ? body.value("InstanceIds", json::array()) : json::array();
  for (const json& id : ids) {
    if (!id.is_string()) continue;  // for the service to refuse
    AccessRequest on{"ssm:SendCommand", ec2_arn(world.options, "instance", id.get<std::string>())};
    for (const auto& [key, value] : tags_of(world, id.get<std::string>())) {
      on.context["aws:ResourceTag/" + key] = {value};
      on.context["ssm:resourceTag/" + key] = {value};
    }
    asked.push_back(std::move(on));
  }
  return asked;
}

std::vector<AccessRequest> of_sts(const std::string& action, const HttpRequest& request) {
  if (action == "GetCallerIdentity") return {};
  return {{"sts:" + action, parameters_of(request).text("RoleArn", "*")}};
}

Outcome<std::vector<AccessRequest>> of_service(const AccessWorld& world, const std::string& service,
                                               const std::string& action, const HttpRequest& request) {
  if (service == "ec2") return access_of_ec2(world, action, parameters_of(request));
  if (service == "ebs") return of_ebs(world, request);
  if (service == "iam") return of_iam(world, action, request);
  if (service == "sts") return of_sts(action, request);
  const json body = json::parse(request.body_text(), nullptr, false);
  if (service == "kms") return of_kms(world, action, body);
  if (service == "servicequotas") return of_quotas(world, action, body);
  if (service == "ssm") return of_run_command(world, action, body);
  return std::vector<AccessRequest>();
}

}  // namespace

std::string ec2_arn(const RegionOptions& options, std::string_view type, std::string_view name) {
  const bool of_an_account = type != "image" && type != "snapshot";
  return fmt::format("arn:aws:ec2:{}:{}:{}/{}", options.name, of_an_account ? options.account_id : "", type,
                     name);
}

void add_request_tags(ConditionContext& context, const Tags& tags) {
  for (const auto& [key, value] : tags) {
    context["aws:RequestTag/" + key] = {value};
    context["aws:TagKeys"].push_back(key);
  }
}

void add_resource_tags(ConditionContext& context, const Tags& tags) {
  for (const auto& [key, value] : tags) {
    context["aws:ResourceTag/" + key] = {value};
    context["ec2:ResourceTag/" + key] = {value};
  }
}

bool is_known_condition_key(std::string_view key) {
  static constexpr std::string_view patterns[] = {"aws:RequestTag/?*",
                                                  "aws:ResourceTag/?*",
                                                  "ec2:ResourceTag/?*",
                                                  "ssm:resourceTag/?*",
                                                  "aws:TagKeys",
                                                  "aws:RequestedRegion",
                                                  "ec2:Region",
                                                  "ec2:CreateAction",
                                                  "ebs:Description",
                                                  "ebs:ParentSnapshot",
                                                  "iam:PassedToService",
                                                  "kms:ViaService",
                                                  "kms:GrantIsForAWSResource"};
  return std::any_of(std::begin(patterns), std::end(patterns),
                     [&](std::string_view pattern) { return matches_caseless_pattern(pattern, key); });
}

Outcome<std::vector<AccessRequest>> access_requests(const AccessWorld& world, const std::string& service,
                                                    const std::string& action, const HttpRequest& request) {
  if (action.empty()) return std::vector<AccessRequest>();
  auto asked = TRY(of_service(world, service, action, request));
  for (AccessRequest& one : asked) {
    one.context["aws:RequestedRegion"] = {world.options.name};
    if (one.action.starts_with("ec2:")) one.context["ec2:Region"] = {world.options.name};
  }
  return asked;
}

}  // namespace rekindle::sandbox
