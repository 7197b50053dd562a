// Security groups.
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/group_rules.h"

namespace rekindle::sandbox {

namespace {

Outcome<> create_group(Ec2Call& call) {
  SecurityGroup group = call.cloud.make<SecurityGroup>();
  group.name = TRY(call.in.required("GroupName"));
  group.description = TRY(call.in.required("GroupDescription"));
  group.vpc_id = call.in.text("VpcId");
  if (group.vpc_id.empty()) return refuse("VPCIdNotSpecified", "No default VPC for this user");
  TRY(call.cloud.require<Vpc>(group.vpc_id));
  for (const auto& [id, other] : call.cloud.state().all<SecurityGroup>()) {
    if (other.vpc_id == group.vpc_id && other.name == group.name) {
      return refuse("InvalidGroup.Duplicate", "The security group '{}' already exists for VPC '{}'",
                    group.name, group.vpc_id);
    }
  }
  group.rules.push_back(everything_out());
  group.tags = TRY(tags_on_create(call.in, "security-group"));
  call.cloud.state().put(group);
  call.out.add("return", true);
  call.out.add("groupId", group.id);
  call.out.add_tags(group.tags);
  return {};
}

const FilterTable<SecurityGroup>& filters() {
  static const FilterTable<SecurityGroup> table = {
      {"group-id", [](const SecurityGroup& group) { return std::vector{group.id}; }},
      {"group-name", [](const SecurityGroup& group) { return std::vector{group.name}; }},
      {"vpc-id", [](const SecurityGroup& group) { return std::vector{group.vpc_id}; }},
      {"description", [](const SecurityGroup& group) { return std::vector{group.description}; }},
  };
  return table;
}

void write_group(Ec2Call& call, Xml out, const SecurityGroup& group) {
  out.add("ownerId", call.account());
  out.add("groupId", group.id);
  out.add("groupName", group.name);
  out.add("groupDescription", group.description);
  out.add("vpcId", group.vpc_id);
  write_rules(out.child("ipPermissions"), group, false, call.account());
  write_rules(out.child("ipPermissionsEgress"), group, true, call.account());
  out.add_tags(group.tags);
}

Outcome<> describe_groups(Ec2Call& call) {
  const auto found = TRY(select(call, "GroupId", filters()));
  Xml set = call.out.child("securityGroupInfo");
  for (const SecurityGroup& group : found) write_group(call, set.item(), group);
  return {};
}

Outcome<> delete_group(Ec2Call& call) {
  const std::string id = TRY(call.in.required("GroupId"));
  const SecurityGroup group = TRY(call.cloud.require<SecurityGroup>(id));
  if (group.name == "default")
    return refuse("CannotDelete", "the specified group: \"{}\" name: \"default\" cannot be deleted by a user",
                  id);
  for (const auto& [instance_id, instance] : call.cloud.state().all<Instance>()) {
    const auto& used = instance.group_ids;
    if (instance.state != "terminated" && std::find(used.begin(), used.end(), id) != used.end()) {
      return refuse("DependencyViolation", "resource {} has a dependent object", id);
    }
  }
  call.cloud.state().remove<SecurityGroup>(id);
  call.out.add("return", true);
  return {};
}

}  // namespace

std::span<const Ec2Action> security_group_actions() {
  static constexpr Ec2Action actions[] = {
      {"CreateSecurityGroup", create_group},
      {"DescribeSecurityGroups", describe_groups},
      {"DeleteSecurityGroup", delete_group},
  };
  return actions;
}

}  // namespace rekindle::sandbox
