// Elastic IPs: addresses of the account that an instance can be given. Like every public address here they
// are loopback addresses of this computer whose port 80 is the guest's.
#include "base/log.h"
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

constexpr const char* domain = "vpc";

std::string new_address(Cloud& cloud, const std::string& id) {
  // Of their own range, so that they are never an instance's first address.
  const auto digits = std::stoul(id.substr(id.size() - 4), nullptr, 16);
  for (std::uint32_t i = 0;; ++i) {
    const auto number = static_cast<std::uint32_t>(digits) + i;
    std::string address = fmt::format("127.128.{}.{}", (number >> 8) & 255, 1 + (number & 255) % 254);
    const auto& all = cloud.state().all<ElasticAddress>();
    if (std::none_of(all.begin(), all.end(),
                     [&](const auto& entry) { return entry.second.public_ip == address; }))
      return address;
  }
}

bool is_gone(Cloud& cloud, const std::string& instance_id) {
  const auto instance = cloud.state().find<Instance>(instance_id);
  return !instance || instance->state == "terminated" || instance->state == "shutting-down";
}

bool is_associated(Cloud& cloud, const ElasticAddress& address) {
  return !address.instance_id.empty() && !is_gone(cloud, address.instance_id);
}

Outcome<> allocate(Ec2Call& call) {
  auto address = call.cloud.make<ElasticAddress>();
  address.public_ip = new_address(call.cloud, address.id);
  address.tags = TRY(tags_on_create(call.in, "elastic-ip"));
  call.cloud.state().put(address);
  call.out.add("publicIp", address.public_ip);
  call.out.add("allocationId", address.id);
  call.out.add("domain", domain);
  return {};
}

const FilterTable<ElasticAddress>& filters() {
  static const FilterTable<ElasticAddress> table = {
      {"allocation-id", [](const ElasticAddress& one) { return std::vector{one.id}; }},
      {"association-id", [](const ElasticAddress& one) { return std::vector{one.association_id}; }},
      {"instance-id", [](const ElasticAddress& one) { return std::vector{one.instance_id}; }},
      {"public-ip", [](const ElasticAddress& one) { return std::vector{one.public_ip}; }},
      {"domain", [](const ElasticAddress&) { return std::vector<std::string>{domain}; }},
  };
  return table;
}

// By allocation or by address.
Outcome<std::vector<ElasticAddress>> wanted_addresses(Ec2Call& call) {
  auto found = TRY(select(call, "AllocationId", filters()));
  const auto wanted = call.in.list("PublicIp");
  if (wanted.empty()) return found;
  std::erase_if(found, [&](const ElasticAddress& one) {
    return std::find(wanted.begin(), wanted.end(), one.public_ip) == wanted.end();
  });
  if (found.size() < wanted.size())
    return refuse("InvalidAddress.NotFound", "Address '{}' not found.", fmt::join(wanted, "', '"));
  return found;
}

void write_holder(Ec2Call& call, Xml item, const ElasticAddress& address) {
  item.add("instanceId", address.instance_id);
  item.add("associationId", address.association_id);
  const auto holder = call.cloud.state().find<Instance>(address.instance_id);
  if (!holder) return;
  item.add("networkInterfaceId", holder->network_interface_id);
  item.add("networkInterfaceOwnerId", call.account());
  item.add("privateIpAddress", holder->private_ip);
}

Outcome<> describe(Ec2Call& call) {
  const auto found = TRY(wanted_addresses(call));
  Xml set = call.out.child("addressesSet");
  for (const ElasticAddress& address : found) {
    Xml item = set.item();
    item.add("publicIp", address.public_ip);
    item.add("allocationId", address.id);
    item.add("domain", domain);
    item.add("publicIpv4Pool", "amazon");
    item.add("networkBorderGroup", call.cloud.options().name);
    if (is_associated(call.cloud, address)) write_holder(call, item, address);
    item.add_tags(address.tags);
  }
  return {};
}

// None has a reverse name of its own.
Outcome<> describe_attributes(Ec2Call& call) {
  const auto found = TRY(select(call, "AllocationId", filters()));
  Xml set = call.out.child("addressSet");
  for (const ElasticAddress& address : found) {
    Xml item = set.item();
    item.add("publicIp", address.public_ip);
    item.add("allocationId", address.id);
  }
  return {};
}

void move_forwarding(Cloud& cloud, Instance& instance, const std::string& to) {
  const auto moved =
      forward_from(cloud.instance_directory(instance.id), instance.public_ip, to, instance.private_ip);
  // A machine that is not running takes its address when it starts.
  if (!moved.ok()) log::info("{}: {}", instance.id, moved.error().message());
  instance.public_ip = to;
  cloud.state().put(instance);
}

void take_from(Cloud& cloud, ElasticAddress& address) {
  if (auto instance = cloud.state().find<Instance>(address.instance_id);
      instance && !is_gone(cloud, instance->id))
    move_forwarding(cloud, *instance, first_public_address(instance->id));
  address.instance_id.clear();
  address.association_id.clear();
}

Outcome<> associate(Ec2Call& call) {
  const std::string id = TRY(call.in.required("AllocationId"));
  const std::string instance_id = TRY(call.in.required("InstanceId"));
  auto address = TRY(call.cloud.require<ElasticAddress>(id));
  auto instance = TRY(call.cloud.require<Instance>(instance_id));
  if (is_gone(call.cloud, instance_id) || instance.proxy)
    return refuse("InvalidInstanceID", "The instance '{}' is not in a valid state", instance_id);
  const bool move = TRY(call.in.flag("AllowReassociation", true));
  if (is_associated(call.cloud, address) && address.instance_id != instance_id) {
    if (!move)
      return refuse("Resource.AlreadyAssociated", "resource {} is already associated with associate-id {}",
                    id, address.association_id);
    take_from(call.cloud, address);
  }
  if (address.instance_id != instance_id) {
    address.instance_id = instance_id;
    address.association_id = "eipassoc-" + id.substr(id.find('-') + 1);
    call.cloud.state().put(address);
    move_forwarding(call.cloud, instance, address.public_ip);
  }
  call.out.add("return", true);
  call.out.add("associationId", address.association_id);
  return {};
}

Outcome<> disassociate(Ec2Call& call) {
  const std::string wanted = TRY(call.in.required("AssociationId"));
  for (const auto& [id, known] : call.cloud.state().all<ElasticAddress>()) {
    if (known.association_id != wanted) continue;
    ElasticAddress address = known;
    take_from(call.cloud, address);
    call.cloud.state().put(address);
    call.out.add("return", true);
    return {};
  }
  return refuse("InvalidAssociationID.NotFound", "The association ID '{}' does not exist", wanted);
}

Outcome<> release(Ec2Call& call) {
  const std::string id = TRY(call.in.required("AllocationId"));
  const auto address = TRY(call.cloud.require<ElasticAddress>(id));
  if (is_associated(call.cloud, address))
    return refuse("InvalidIPAddress.InUse", "Address '{}' is in use.", address.public_ip);
  call.cloud.state().remove<ElasticAddress>(id);
  call.out.add("return", true);
  return {};
}

}  // namespace

std::span<const Ec2Action> elastic_address_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeAddressesAttribute", describe_attributes},
      {"AllocateAddress", allocate},
      {"DescribeAddresses", describe},
      {"AssociateAddress", associate},
      {"DisassociateAddress", disassociate},
      {"ReleaseAddress", release},
  };
  return actions;
}

}  // namespace rekindle::sandbox
