// What Rekindle may do in an AWS account, and nothing else: IAM policies made of the calls that it makes.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html and its neighbours.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rekindle {

struct IamAction {
  std::string_view name;     // "ec2:RunInstances"
  std::string_view purpose;  // "failover"
};

// Every call that the program makes to EC2, EBS, IAM, Service Quotas and Systems Manager, by the statement it
// stands in. tests/e2e/iam_test.py and tests/contract/iam_policy_test.cc prove it: all roads are gone with a
// role that has the document, whose resources and conditions the local region judges as AWS documents it, and
// every action is asked for by some of them. Of KMS the region judges only what is called directly, and of
// vaults in S3 nothing: those statements are by the documentation alone.
std::span<const IamAction> iam_actions();

struct IamPolicyOptions {
  std::string region;                      // arn parts; "*": any
  std::vector<std::string> kms_keys;       // ARNs of keys that encrypt volumes and images
  std::vector<std::string> passed_roles;   // ARNs of roles that instances of the plans are given
  std::vector<std::string> vault_buckets;  // names of S3 buckets that hold vaults
};

// The policy document. What changes or removes something is allowed only for what carries Rekindle's tag. AWS
// refuses it, then, also for what is not there any more, and so has no tag.
nlohmann::json iam_policy(const IamPolicyOptions& options);

}  // namespace rekindle
