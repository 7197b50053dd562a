// Security groups. Their rules are kept and shown; the instances' network lets in what is forwarded to port
// 80 anyway.
#include "sandbox/region/addresses.h"
#include "sandbox/region/ec2_call.h"

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
  group.tags = TRY(tags_on_create(call.in, "security-group"));
  call.cloud.state().put(group);
  call.out.add("return", true);
  call.out.add("groupId", group.id);
  call.out.add_tags(group.tags);
  return {};
}

Outcome<IngressRule> parse_rule(const Parameters& in) {
  IngressRule rule;
  rule.protocol = TRY(in.required("IpProtocol"));
  rule.from_port = TRY(in.number("FromPort", -1));
  rule.to_port = TRY(in.number("ToPort", -1));
  for (const Parameters& range : in.structures("IpRanges")) rule.cidrs.push_back(range.text("CidrIp"));
  if (in.has("CidrIp")) rule.cidrs.push_back(in.text("CidrIp"));
  for (const std::string& cidr : rule.cidrs) {
    if (!Network::parse(cidr)) return refuse("InvalidParameterValue", "CIDR block {} is malformed", cidr);
  }
  return rule;
}

bool same(const IngressRule& a, const IngressRule& b) {
  return a.protocol == b.protocol && a.from_port == b.from_port && a.to_port == b.to_port &&
         a.cidrs == b.cidrs;
}

Outcome<> authorize_ingress(Ec2Call& call) {
  const std::string id = TRY(call.in.required("GroupId"));
  SecurityGroup group = TRY(call.cloud.require<SecurityGroup>(id));
  std::vector<Parameters> rules = call.in.structures("IpPermissions");
  if (rules.empty()) rules.push_back(call.in);
  for (const Parameters& one : rules) {
    const IngressRule rule = TRY(parse_rule(one));
    if (std::any_of(group.ingress.begin(), group.ingress.end(),
                    [&](const IngressRule& known) { return same(known, rule); })) {
      return refuse("InvalidPermission.Duplicate", "the specified rule already exists in '{}'", id);
    }
    group.ingress.push_back(rule);
  }
  call.cloud.state().put(group);
  call.out.add("return", true);
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
  Xml permissions = out.child("ipPermissions");
  for (const IngressRule& rule : group.ingress) {
    Xml permission = permissions.item();
    permission.add("ipProtocol", rule.protocol);
    if (rule.from_port >= 0) permission.add("fromPort", rule.from_port);
    if (rule.to_port >= 0) permission.add("toPort", rule.to_port);
    permission.child("groups");
    Xml ranges = permission.child("ipRanges");
    for (const std::string& cidr : rule.cidrs) ranges.item().add("cidrIp", cidr);
  }
  out.child("ipPermissionsEgress");
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
      {"AuthorizeSecurityGroupIngress", authorize_ingress},
      {"DescribeSecurityGroups", describe_groups},
      {"DeleteSecurityGroup", delete_group},
  };
  return actions;
}

}  // namespace rekindle::sandbox
