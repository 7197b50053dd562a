// What a call asks leave for: its action on each resource that it touches, and the permissions that AWS wants
// beside it, as the Service Authorization Reference lists them
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html,
// list_amazonelasticblockstore.html, list_awskeymanagementservice.html,
// list_awsidentityandaccessmanagementiam.html, list_servicequotas.html, list_awssecuritytokenservice.html,
// list_awssystemsmanager.html).
// All must be allowed.
//
// - Existing resources tell their tags (aws:ResourceTag, ec2:ResourceTag). What is not there has none, and a
//   policy that asks for a tag refuses it (https://github.com/aws/karpenter-provider-aws/issues/2100); nor
//   has what cannot be seen yet, nor a terminated instance, although it is described for some time.
// - Of what the call makes the id is not known yet: its ARN ends in "/*". It tells the tags it shall have
//   (aws:RequestTag, aws:TagKeys).
// - Tags in a call that makes something ask for ec2:CreateTags on it, too. Of calls of EC2 ec2:CreateAction
//   says which it is; StartSnapshot, of the EBS direct APIs, is documented without.
// - A command is sent to its document and to each of its instances, which tell their tags as aws:ResourceTag
//   and ssm:resourceTag.
// - A launch with an instance profile asks for iam:PassRole on the profile's role.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "sandbox/region/account_settings.h"
#include "sandbox/region/iam_policy_document.h"
#include "sandbox/region/outcome.h"
#include "sandbox/region/query.h"
#include "sandbox/region/region.h"
#include "sandbox/region/state.h"

namespace rekindle::sandbox {

// The references outlive this. Whoever asks holds the cloud's mutex.
struct AccessWorld {
  const RegionOptions& options;
  const State& state;
  const AccountSettings& account;
  // What was made after this instant cannot be seen yet (Cloud::hidden).
  std::int64_t visible_until_ms = std::numeric_limits<std::int64_t>::max();
};

// Nothing: AWS allows it to all (sts:GetCallerIdentity), or the service is to say itself that there is no
// such call or key. UnauthorizedOperation for an EC2 action whose resources are not known here: no policy
// could be judged by it.
Outcome<std::vector<AccessRequest>> access_requests(const AccessWorld& world, const std::string& service,
                                                    const std::string& action, const HttpRequest& request);

// Its half of EC2 (ec2_access.cc).
Outcome<std::vector<AccessRequest>> access_of_ec2(const AccessWorld& world, const std::string& action,
                                                  const Parameters& in);

// Whether requests tell this key here. A condition on another could never be judged.
bool is_known_condition_key(std::string_view key);

// The snapshot or another resource of EC2 by its id, or "TYPE/*": images and snapshots are of no account.
std::string ec2_arn(const RegionOptions& options, std::string_view type, std::string_view name);
// Of what is there and can be seen; a terminated instance has none.
Tags tags_of(const AccessWorld& world, const std::string& id);
// Adds aws:RequestTag/KEY of each, and aws:TagKeys.
void add_request_tags(ConditionContext& context, const Tags& tags);
// Of something that is there: aws:ResourceTag/KEY and ec2:ResourceTag/KEY of each.
void add_resource_tags(ConditionContext& context, const Tags& tags);

}  // namespace rekindle::sandbox
