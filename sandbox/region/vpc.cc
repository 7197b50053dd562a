// VPCs and subnets.
#include "sandbox/region/addresses.h"
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/group_rules.h"

namespace rekindle::sandbox {

namespace {

Outcome<Network> network_parameter(Ec2Call& call, unsigned longest) {
  const std::string text = TRY(call.in.required("CidrBlock"));
  const auto network = Network::parse(text);
  if (!network)
    return refuse("InvalidParameterValue",
                  "Value ({}) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text);
  if (network->prefix_bits < 16 || network->prefix_bits > longest) {
    return refuse("InvalidVpc.Range", "The CIDR '{}' is invalid: the prefix must be from /16 to /{}", text,
                  longest);
  }
  return *network;
}

void write_vpc(Ec2Call& call, Xml out, const Vpc& vpc) {
  out.add("vpcId", vpc.id);
  out.add("ownerId", call.account());
  out.add("state", vpc.state);
  out.add("cidrBlock", vpc.cidr);
  out.add("dhcpOptionsId", "default");
  out.add("instanceTenancy", "default");
  out.add("isDefault", false);
  out.add_tags(vpc.tags);
}

Outcome<> create_vpc(Ec2Call& call) {
  const Network network = TRY(network_parameter(call, 28));
  Vpc vpc = call.cloud.make<Vpc>();
  vpc.cidr = network.text();
  vpc.state = "available";
  vpc.tags = TRY(tags_on_create(call.in, "vpc"));
  SecurityGroup group = call.cloud.make<SecurityGroup>();
  group.vpc_id = vpc.id;
  group.name = "default";
  group.description = "default VPC security group";
  group.rules = {everything_out(), {false, "-1", -1, -1, "group", group.id, ""}};
  call.cloud.state().put(vpc);
  call.cloud.state().put(group);
  write_vpc(call, call.out.child("vpc"), vpc);
  return {};
}

const FilterTable<Vpc>& vpc_filters() {
  static const FilterTable<Vpc> table = {
      {"vpc-id", [](const Vpc& vpc) { return std::vector{vpc.id}; }},
      {"cidr", [](const Vpc& vpc) { return std::vector{vpc.cidr}; }},
      {"state", [](const Vpc& vpc) { return std::vector{vpc.state}; }},
      {"is-default", [](const Vpc&) { return std::vector{text_of(false)}; }},
      {"isDefault", [](const Vpc&) { return std::vector{text_of(false)}; }},
  };
  return table;
}

Outcome<> describe_vpcs(Ec2Call& call) {
  const auto found = TRY(select(call, "VpcId", vpc_filters()));
  Xml set = call.out.child("vpcSet");
  for (const Vpc& vpc : found) write_vpc(call, set.item(), vpc);
  return {};
}

template <typename T>
bool any_in_vpc(Cloud& cloud, const std::string& vpc_id, const std::function<bool(const T&)>& counts) {
  const auto& all = cloud.state().all<T>();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& row) { return row.second.vpc_id == vpc_id && counts(row.second); });
}

Outcome<> delete_vpc(Ec2Call& call) {
  const std::string id = TRY(call.in.required("VpcId"));
  TRY(call.cloud.require<Vpc>(id));
  if (any_in_vpc<Subnet>(call.cloud, id, [](const Subnet&) { return true; }) ||
      any_in_vpc<SecurityGroup>(call.cloud, id,
                                [](const SecurityGroup& group) { return group.name != "default"; })) {
    return refuse("DependencyViolation", "The vpc '{}' has dependencies and cannot be deleted.", id);
  }
  std::vector<std::string> groups;
  for (const auto& [group_id, group] : call.cloud.state().all<SecurityGroup>()) {
    if (group.vpc_id == id) groups.push_back(group_id);
  }
  for (const std::string& group : groups) call.cloud.state().remove<SecurityGroup>(group);
  call.cloud.state().remove<Vpc>(id);
  call.out.add("return", true);
  return {};
}

void write_subnet(Ec2Call& call, Xml out, const Subnet& subnet) {
  out.add("subnetId", subnet.id);
  out.add("subnetArn",
          fmt::format("arn:aws:ec2:{}:{}:subnet/{}", call.cloud.options().name, call.account(), subnet.id));
  out.add("state", subnet.state);
  out.add("ownerId", call.account());
  out.add("vpcId", subnet.vpc_id);
  out.add("cidrBlock", subnet.cidr);
  out.add("availableIpAddressCount", free_addresses(call.cloud, subnet));
  out.add("availabilityZone", subnet.zone);
  out.add("defaultForAz", false);
  out.add("mapPublicIpOnLaunch", subnet.map_public_ip);
  out.add("assignIpv6AddressOnCreation", false);
  out.add_tags(subnet.tags);
}

Outcome<> create_subnet(Ec2Call& call) {
  const std::string vpc_id = TRY(call.in.required("VpcId"));
  const Vpc vpc = TRY(call.cloud.require<Vpc>(vpc_id));
  const Network network = TRY(network_parameter(call, 28));
  if (!Network::parse(vpc.cidr)->contains(network)) {
    return refuse("InvalidSubnet.Range", "The CIDR '{}' is invalid.", network.text());
  }
  for (const auto& [id, other] : call.cloud.state().all<Subnet>()) {
    if (other.vpc_id == vpc_id && Network::parse(other.cidr)->overlaps(network)) {
      return refuse("InvalidSubnet.Conflict", "The CIDR '{}' conflicts with another subnet", network.text());
    }
  }
  Subnet subnet = call.cloud.make<Subnet>();
  subnet.zone = call.in.text("AvailabilityZone", call.cloud.zone());
  const auto zones = call.cloud.zones();
  if (std::find(zones.begin(), zones.end(), subnet.zone) == zones.end()) {
    return refuse(
        "InvalidParameterValue",
        "Value ({}) for parameter availabilityZone is invalid. Subnets can currently only be created in: {}.",
        subnet.zone, fmt::join(zones, ", "));
  }
  subnet.vpc_id = vpc_id;
  subnet.cidr = network.text();
  subnet.state = "available";
  subnet.tags = TRY(tags_on_create(call.in, "subnet"));
  call.cloud.state().put(subnet);
  write_subnet(call, call.out.child("subnet"), subnet);
  return {};
}

const FilterTable<Subnet>& subnet_filters() {
  static const FilterTable<Subnet> table = {
      {"subnet-id", [](const Subnet& subnet) { return std::vector{subnet.id}; }},
      {"vpc-id", [](const Subnet& subnet) { return std::vector{subnet.vpc_id}; }},
      {"cidr-block", [](const Subnet& subnet) { return std::vector{subnet.cidr}; }},
      {"availability-zone", [](const Subnet& subnet) { return std::vector{subnet.zone}; }},
      {"state", [](const Subnet& subnet) { return std::vector{subnet.state}; }},
  };
  return table;
}

Outcome<> describe_subnets(Ec2Call& call) {
  const auto found = TRY(select(call, "SubnetId", subnet_filters()));
  Xml set = call.out.child("subnetSet");
  for (const Subnet& subnet : found) write_subnet(call, set.item(), subnet);
  return {};
}

Outcome<> delete_subnet(Ec2Call& call) {
  const std::string id = TRY(call.in.required("SubnetId"));
  TRY(call.cloud.require<Subnet>(id));
  for (const auto& [instance_id, instance] : call.cloud.state().all<Instance>()) {
    if (instance.subnet_id == id && instance.state != "terminated") {
      return refuse("DependencyViolation", "The subnet '{}' has dependencies and cannot be deleted.", id);
    }
  }
  call.cloud.state().remove<Subnet>(id);
  call.out.add("return", true);
  return {};
}

}  // namespace

std::int64_t free_addresses(Cloud& cloud, const Subnet& subnet) {
  const auto network = Network::parse(subnet.cidr);
  std::int64_t free = static_cast<std::int64_t>(network->size()) - 5;
  for (const auto& [id, instance] : cloud.state().all<Instance>()) {
    if (instance.subnet_id == subnet.id && instance.state != "terminated") --free;
  }
  return free;
}

std::span<const Ec2Action> vpc_actions() {
  static constexpr Ec2Action actions[] = {
      {"CreateVpc", create_vpc},       {"DescribeVpcs", describe_vpcs},       {"DeleteVpc", delete_vpc},
      {"CreateSubnet", create_subnet}, {"DescribeSubnets", describe_subnets}, {"DeleteSubnet", delete_subnet},
  };
  return actions;
}

}  // namespace rekindle::sandbox
