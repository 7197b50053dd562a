// What a VPC has without being asked, and what can be changed of VPCs and subnets: one route table, which is
// the main one, and one network ACL, which lets everything through. Both have the VPC's number.
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

std::string id_like(const char* kind, const std::string& id) {
  return std::string(kind) + id.substr(id.find('-'));
}

Outcome<> describe_vpc_attribute(Ec2Call& call) {
  const std::string id = TRY(call.in.required("VpcId"));
  const std::string attribute = TRY(call.in.required("Attribute"));
  const Vpc vpc = TRY(call.cloud.require<Vpc>(id));
  const std::map<std::string, bool> values = {{"enableDnsSupport", vpc.dns_support},
                                              {"enableDnsHostnames", vpc.dns_hostnames},
                                              {"enableNetworkAddressUsageMetrics", false}};
  const auto value = values.find(attribute);
  if (value == values.end())
    return refuse("InvalidParameterValue", "Value ({}) for parameter attribute is invalid.", attribute);
  call.out.add("vpcId", id);
  call.out.child(attribute.c_str()).add("value", value->second);
  return {};
}

Outcome<> modify_vpc_attribute(Ec2Call& call) {
  const std::string id = TRY(call.in.required("VpcId"));
  Vpc vpc = TRY(call.cloud.require<Vpc>(id));
  if (!call.in.has_any("EnableDnsSupport") && !call.in.has_any("EnableDnsHostnames"))
    return refuse("InvalidParameterCombination", "No attributes specified.");
  vpc.dns_support = TRY(call.in.flag("EnableDnsSupport.Value", vpc.dns_support));
  vpc.dns_hostnames = TRY(call.in.flag("EnableDnsHostnames.Value", vpc.dns_hostnames));
  call.cloud.state().put(vpc);
  call.out.add("return", true);
  return {};
}

Outcome<> modify_subnet_attribute(Ec2Call& call) {
  const std::string id = TRY(call.in.required("SubnetId"));
  Subnet subnet = TRY(call.cloud.require<Subnet>(id));
  if (!call.in.has("MapPublicIpOnLaunch.Value")) {
    return refuse("InvalidParameterCombination",
                  "The local region changes no attribute but MapPublicIpOnLaunch of a subnet");
  }
  subnet.map_public_ip = TRY(call.in.flag("MapPublicIpOnLaunch.Value", false));
  call.cloud.state().put(subnet);
  call.out.add("return", true);
  return {};
}

// The VPCs that a call may be about; both are asked for by filters, which the tables below know.
template <typename Write>
Outcome<> describe_of_vpcs(Ec2Call& call, const char* set_name, const FilterTable<Vpc>& table, Write write) {
  const auto filters = filters_of(call.in);
  Xml set = call.out.child(set_name);
  for (const auto& [id, vpc] : call.cloud.state().all<Vpc>()) {
    const bool passed = TRY(passes(filters, table, vpc));
    if (passed && !call.cloud.hidden(vpc)) write(set.item(), vpc);
  }
  return {};
}

void write_entry(Xml set, std::int64_t number, bool egress, const char* action) {
  Xml item = set.item();
  item.add("ruleNumber", number);
  item.add("protocol", "-1");
  item.add("ruleAction", action);
  item.add("egress", egress);
  item.add("cidrBlock", "0.0.0.0/0");
}

void write_acl(Ec2Call& call, Xml item, const Vpc& vpc) {
  const std::string id = id_like("acl", vpc.id);
  item.add("networkAclId", id);
  item.add("vpcId", vpc.id);
  item.add("default", true);
  item.add("ownerId", call.account());
  Xml entries = item.child("entrySet");
  for (const bool egress : {true, false}) {
    write_entry(entries, 100, egress, "allow");
    write_entry(entries, 32767, egress, "deny");
  }
  Xml associations = item.child("associationSet");
  for (const auto& [subnet_id, subnet] : call.cloud.state().all<Subnet>()) {
    if (subnet.vpc_id != vpc.id) continue;
    Xml association = associations.item();
    association.add("networkAclAssociationId", id_like("aclassoc", subnet_id));
    association.add("networkAclId", id);
    association.add("subnetId", subnet_id);
  }
  item.child("tagSet");
}

Outcome<> describe_acls(Ec2Call& call) {
  static const FilterTable<Vpc> table = {
      {"vpc-id", [](const Vpc& vpc) { return std::vector{vpc.id}; }},
      {"default", [](const Vpc&) { return std::vector{text_of(true)}; }},
      {"network-acl-id", [](const Vpc& vpc) { return std::vector{id_like("acl", vpc.id)}; }},
  };
  return describe_of_vpcs(call, "networkAclSet", table,
                          [&](Xml item, const Vpc& vpc) { write_acl(call, item, vpc); });
}

void write_route_table(Ec2Call& call, Xml item, const Vpc& vpc) {
  const std::string id = id_like("rtb", vpc.id);
  item.add("routeTableId", id);
  item.add("vpcId", vpc.id);
  item.add("ownerId", call.account());
  Xml route = item.child("routeSet").item();
  route.add("destinationCidrBlock", vpc.cidr);
  route.add("gatewayId", "local");
  route.add("state", "active");
  route.add("origin", "CreateRouteTable");
  Xml association = item.child("associationSet").item();
  association.add("routeTableAssociationId", id_like("rtbassoc", vpc.id));
  association.add("routeTableId", id);
  association.add("main", true);
  association.child("associationState").add("state", "associated");
  item.child("propagatingVgwSet");
  item.child("tagSet");
}

Outcome<> describe_route_tables(Ec2Call& call) {
  static const FilterTable<Vpc> table = {
      {"vpc-id", [](const Vpc& vpc) { return std::vector{vpc.id}; }},
      {"association.main", [](const Vpc&) { return std::vector{text_of(true)}; }},
      {"route-table-id", [](const Vpc& vpc) { return std::vector{id_like("rtb", vpc.id)}; }},
  };
  return describe_of_vpcs(call, "routeTableSet", table,
                          [&](Xml item, const Vpc& vpc) { write_route_table(call, item, vpc); });
}

// It went with EC2-Classic; older clients still ask.
Outcome<> describe_classic_link(Ec2Call&) {
  return refuse("UnsupportedOperation", "The functionality you requested is not available in this region");
}

}  // namespace

std::span<const Ec2Action> network_attribute_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeVpcAttribute", describe_vpc_attribute},
      {"ModifyVpcAttribute", modify_vpc_attribute},
      {"ModifySubnetAttribute", modify_subnet_attribute},
      {"DescribeNetworkAcls", describe_acls},
      {"DescribeRouteTables", describe_route_tables},
      {"DescribeVpcClassicLink", describe_classic_link},
      {"DescribeVpcClassicLinkDnsSupport", describe_classic_link},
  };
  return actions;
}

}  // namespace rekindle::sandbox
