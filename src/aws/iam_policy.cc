#include "aws/iam_policy.h"

#include <array>

#include "site/recovery_target.h"

namespace rekindle {

namespace {

using nlohmann::json;

// The statements. AWS has no resource-level permissions for Describe calls.
enum class Statement {
  look,
  write_images,
  start_images,
  make,
  make_tags,
  attach,
  change_ours,
  give_addresses,
  run_scripts,
  end_scripts
};

struct Row {
  IamAction action;
  Statement statement;
};

constexpr std::array rows = {
    Row{{"ec2:DescribeAddresses", "public_ip: eipalloc-..."}, Statement::look},
    Row{{"ec2:DescribeImages", "failover, sweep"}, Statement::look},
    Row{{"ec2:DescribeInstances", "failover, audit"}, Statement::look},
    Row{{"ec2:DescribeInstanceStatus", "health_check: status"}, Statement::look},
    Row{{"ec2:DescribeInstanceTypeOfferings", "failover, plan check"}, Statement::look},
    Row{{"ec2:DescribeInstanceTypes", "instance_type: auto, plan check"}, Statement::look},
    Row{{"ec2:DescribeNetworkInterfaces", "failover, plan check"}, Statement::look},
    Row{{"ec2:DescribeSecurityGroups", "failover, plan check"}, Statement::look},
    Row{{"ec2:DescribeSnapshots", "replicate"}, Statement::look},
    Row{{"ec2:DescribeSubnets", "failover, plan check"}, Statement::look},
    Row{{"ec2:DescribeTags", "audit"}, Statement::look},
    Row{{"ec2:DescribeVolumes", "replicate through volumes, plan check: quotas"}, Statement::look},
    Row{{"ec2:GetConsoleOutput", "failover that does not answer"}, Statement::look},
    Row{{"ec2:GetEbsEncryptionByDefault", "replicate, failover, plan check"}, Statement::look},
    Row{{"iam:GetInstanceProfile", "plan check: instance_profile"}, Statement::look},
    Row{{"servicequotas:GetAWSDefaultServiceQuota", "plan check: quotas"}, Statement::look},
    Row{{"servicequotas:GetServiceQuota", "plan check: quotas"}, Statement::look},
    Row{{"ssm:DescribeInstanceInformation", "script_on: a step's script inside machines"}, Statement::look},
    Row{{"ssm:GetCommandInvocation", "script_on: a step's script inside machines"}, Statement::look},
    Row{{"ssm:ListCommands", "script_on: a step's script inside machines"}, Statement::look},
    Row{{"ebs:StartSnapshot", "replicate, failover"}, Statement::start_images},
    Row{{"ebs:PutSnapshotBlock", "replicate, failover"}, Statement::write_images},
    Row{{"ebs:CompleteSnapshot", "replicate, failover"}, Statement::write_images},
    Row{{"ebs:ListSnapshotBlocks", "replicate: verify"}, Statement::write_images},
    Row{{"ebs:GetSnapshotBlock", "replicate: verify"}, Statement::write_images},
    Row{{"ebs:ListChangedBlocks", "failback"}, Statement::write_images},
    Row{{"ec2:RegisterImage", "failover, workflow ami"}, Statement::make},
    Row{{"ec2:RunInstances", "failover"}, Statement::make},
    Row{{"ec2:CreateVolume", "replicate through volumes"}, Statement::make},
    Row{{"ec2:CreateSnapshot", "replicate through volumes"}, Statement::make},
    Row{{"ec2:CreateSnapshots", "failback"}, Statement::make},
    Row{{"ec2:AttachVolume", "replicate through volumes"}, Statement::attach},
    Row{{"ec2:CreateTags", "everything that is made"}, Statement::make_tags},
    Row{{"ec2:DeleteSnapshot", "sweep"}, Statement::change_ours},
    Row{{"ec2:DeregisterImage", "sweep"}, Statement::change_ours},
    Row{{"ec2:TerminateInstances", "failover clean-up"}, Statement::change_ours},
    Row{{"ec2:StopInstances", "leave_stopped"}, Statement::change_ours},
    Row{{"ec2:StartInstances", "failback"}, Statement::change_ours},
    Row{{"ec2:DetachVolume", "replicate through volumes"}, Statement::attach},
    Row{{"ec2:DeleteVolume", "replicate through volumes"}, Statement::change_ours},
    Row{{"ec2:ModifyInstanceAttribute", "source_dest_check"}, Statement::change_ours},
    Row{{"ec2:AssociateAddress", "public_ip: eipalloc-..."}, Statement::give_addresses},
    Row{{"ssm:SendCommand", "script_on: a step's script inside machines"}, Statement::run_scripts},
    Row{{"ssm:CancelCommand", "script_on: a step's script inside machines"}, Statement::end_scripts},
};

json actions_of(Statement statement) {
  json names = json::array();
  for (const Row& row : rows) {
    if (row.statement == statement) names.push_back(row.action.name);
  }
  return names;
}

json allow(const char* sid, json actions, json resources) {
  return {
      {"Sid", sid}, {"Effect", "Allow"}, {"Action", std::move(actions)}, {"Resource", std::move(resources)}};
}

// Only what carries our tag, whatever its value.
json only_ours(json statement, const char* key) {
  statement["Condition"] = {{"Null", {{fmt::format("{}/{}", key, token_tag), "false"}}}};
  return statement;
}

// "arn:aws" of the region's partition.
std::string arn(const IamPolicyOptions& options) {
  if (options.region.starts_with("cn-")) return "arn:aws-cn";
  return options.region.starts_with("us-gov-") ? "arn:aws-us-gov" : "arn:aws";
}

json ours(const IamPolicyOptions& options) {
  json resources = json::array();
  for (const char* kind : {"snapshot", "image", "instance", "volume"})
    resources.push_back(fmt::format("{}:ec2:{}:*:{}/*", arn(options), options.region, kind));
  return only_ours(allow("ChangeAndRemoveOurs", actions_of(Statement::change_ours), resources),
                   "aws:ResourceTag");
}

// Attaching asks for both: our volume, and the proxy, which carries no tag of ours.
void add_attachments(json& statements, const IamPolicyOptions& options) {
  const json actions = actions_of(Statement::attach);
  statements.push_back(allow("AttachToTheProxy", actions,
                             fmt::format("{}:ec2:{}:*:instance/*", arn(options), options.region)));
  statements.push_back(only_ours(
      allow("AttachOurVolumes", actions, fmt::format("{}:ec2:{}:*:volume/*", arn(options), options.region)),
      "aws:ResourceTag"));
}

// What a call makes is tagged by that call. StartSnapshot, of the EBS direct APIs, asks for ec2:CreateTags
// without ec2:CreateAction, so that nothing tells it from CreateTags on a snapshot that is there: only our
// own tags may be given that way, ours always among them.
void add_tagging(json& statements, const std::string& snapshots) {
  json tags = allow("TagWhatIsMade", actions_of(Statement::make_tags), "*");
  tags["Condition"] = {
      {"StringEquals",
       {{"ec2:CreateAction",
         {"CreateSnapshot", "CreateSnapshots", "CreateVolume", "RegisterImage", "RunInstances"}}}}};
  statements.push_back(std::move(tags));
  json images = only_ours(allow("TagImages", actions_of(Statement::make_tags), snapshots), "aws:RequestTag");
  images["Condition"]["ForAllValues:StringLike"] = {{"aws:TagKeys", "rekindle:*"}};
  statements.push_back(std::move(images));
}

// Sending one asks for both: AWS's document that runs a shell script, and the instance. Which command is
// ended no policy can say.
void add_scripts(json& statements, const IamPolicyOptions& options) {
  const json actions = actions_of(Statement::run_scripts);
  statements.push_back(
      allow("RunShellScripts", actions,
            fmt::format("{}:ssm:{}::document/AWS-RunShellScript", arn(options), options.region)));
  statements.push_back(only_ours(
      allow("RunScriptsInOurs", actions, fmt::format("{}:ec2:{}:*:instance/*", arn(options), options.region)),
      "aws:ResourceTag"));
  statements.push_back(allow("EndScripts", actions_of(Statement::end_scripts), "*"));
}

// Grants only for AWS's own services: EBS makes one for each volume of the key.
void add_kms(json& statements, const std::vector<std::string>& keys) {
  statements.push_back(allow("UseTheKeys",
                             {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey",
                              "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"},
                             keys));
  json grants = allow("LetEbsUseTheKeys", {"kms:CreateGrant"}, keys);
  grants["Condition"] = {{"Bool", {{"kms:GrantIsForAWSResource", "true"}}}};
  statements.push_back(std::move(grants));
}

json pass_roles(const std::vector<std::string>& roles) {
  json statement = allow("GiveInstancesTheirRoles", {"iam:PassRole"}, roles);
  statement["Condition"] = {{"StringEquals", {{"iam:PassedToService", "ec2.amazonaws.com"}}}};
  return statement;
}

void add_vaults(json& statements, const IamPolicyOptions& options) {
  json whole = json::array();
  json objects = json::array();
  for (const std::string& bucket : options.vault_buckets) {
    whole.push_back(arn(options) + ":s3:::" + bucket);
    objects.push_back(arn(options) + ":s3:::" + bucket + "/*");
  }
  statements.push_back(allow("FindTheVault",
                             {"s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning",
                              "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"},
                             whole));
  statements.push_back(allow("ReadAndWriteTheVault",
                             {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion",
                              "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectRetention"},
                             objects));
}

}  // namespace

std::span<const IamAction> iam_actions() {
  static const auto actions = [] {
    std::array<IamAction, rows.size()> all;
    for (std::size_t i = 0; i < rows.size(); ++i) all[i] = rows[i].action;
    return all;
  }();
  return actions;
}

nlohmann::json iam_policy(const IamPolicyOptions& options) {
  const std::string snapshots = fmt::format("{}:ec2:{}::snapshot/*", arn(options), options.region);
  json statements = json::array();
  statements.push_back(allow("Look", actions_of(Statement::look), "*"));
  statements.push_back(
      only_ours(allow("StartImages", actions_of(Statement::start_images), snapshots), "aws:RequestTag"));
  statements.push_back(only_ours(
      allow("WriteAndReadOurImages", actions_of(Statement::write_images), snapshots), "aws:ResourceTag"));
  statements.push_back(allow("Make", actions_of(Statement::make), "*"));
  add_tagging(statements, snapshots);
  add_attachments(statements, options);
  statements.push_back(ours(options));
  statements.push_back(allow("GiveElasticAddresses", actions_of(Statement::give_addresses), "*"));
  add_scripts(statements, options);
  if (!options.kms_keys.empty()) add_kms(statements, options.kms_keys);
  if (!options.passed_roles.empty()) statements.push_back(pass_roles(options.passed_roles));
  if (!options.vault_buckets.empty()) add_vaults(statements, options);
  return {{"Version", "2012-10-17"}, {"Statement", std::move(statements)}};
}

}  // namespace rekindle
