// RunInstances.
#include "sandbox/region/addresses.h"
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/instance_types.h"

namespace rekindle::sandbox {

namespace {

// Subnet, address and groups come either at the top of the request or in the first network interface.
struct Placement {
  std::string subnet_id, private_ip;
  std::vector<std::string> group_ids;
  bool public_address = true;
};

Outcome<Placement> placement_of(const Parameters& in) {
  const auto interfaces = in.structures("NetworkInterface");
  if (interfaces.empty())
    return Placement{in.text("SubnetId"), in.text("PrivateIpAddress"), in.list("SecurityGroupId")};
  if (in.has("SubnetId") || in.has("PrivateIpAddress") || in.has("SecurityGroupId.1")) {
    return refuse(
        "InvalidParameterCombination",
        "Network interfaces and an instance-level subnet ID, private address or security groups may "
        "not be specified on the same request");
  }
  const Parameters& first = interfaces.front();
  const bool public_address = TRY(first.flag("AssociatePublicIpAddress", true));
  return Placement{first.text("SubnetId"), first.text("PrivateIpAddress"), first.list("SecurityGroupId"),
                   public_address};
}

// What the Nitro types, which are all there are here, ask of an image.
Outcome<> check_image(const Image& image, const std::string& type) {
  if (image.state != "available")
    return refuse("InvalidAMIID.Unavailable", "The image ID '{}' is '{}'", image.id, image.state);
  if (image.architecture != "x86_64") {
    return refuse("InvalidParameterValue",
                  "The architecture 'x86_64' of the specified instance type does not match the architecture "
                  "'{}' of the specified AMI.",
                  image.architecture);
  }
  if (image.virtualization_type != "hvm") {
    return refuse("InvalidParameterCombination",
                  "Non-Windows instances with a virtualization type of '{}' are currently not supported for "
                  "the instance type '{}'.",
                  image.virtualization_type, type);
  }
  if (!image.ena_support) {
    return refuse("InvalidParameterCombination",
                  "Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{}' "
                  "instance type. Ensure that you are using an AMI that is enabled for ENA.",
                  type);
  }
  return {};
}

Outcome<> check_groups(Cloud& cloud, Placement& placement, const Subnet& subnet) {
  for (const std::string& id : placement.group_ids) {
    const SecurityGroup group = TRY(cloud.require<SecurityGroup>(id));
    if (group.vpc_id != subnet.vpc_id) {
      return refuse("InvalidParameter", "Security group {} and subnet {} belong to different networks.", id,
                    subnet.id);
    }
  }
  if (!placement.group_ids.empty()) return {};
  for (const auto& [id, group] : cloud.state().all<SecurityGroup>()) {
    if (group.vpc_id == subnet.vpc_id && group.name == "default") placement.group_ids.push_back(id);
  }
  return {};
}

std::set<std::string> addresses_in_use(Cloud& cloud, const Subnet& subnet) {
  std::set<std::string> used;
  for (const auto& [id, instance] : cloud.state().all<Instance>()) {
    if (instance.subnet_id == subnet.id && instance.state != "terminated") used.insert(instance.private_ip);
  }
  return used;
}

Outcome<std::string> choose_address(Cloud& cloud, const Subnet& subnet, const std::string& wanted) {
  const auto network = Network::parse(subnet.cidr);
  const auto used = addresses_in_use(cloud, subnet);
  if (wanted.empty()) {
    for (std::uint64_t i = 4; i + 1 < network->size(); ++i) {
      std::string candidate = address_text(network->base + static_cast<std::uint32_t>(i));
      if (!used.contains(candidate)) return candidate;
    }
    return refuse(
        "InsufficientFreeAddressesInSubnet",
        "There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.",
        subnet.id);
  }
  const auto address = parse_address(wanted);
  if (!address) return refuse("InvalidParameterValue", "Invalid IPv4 address: '{}'", wanted);
  if (!network->contains(*address))
    return refuse("InvalidParameterValue", "Address {} does not fall within the subnet's address range",
                  wanted);
  if (!network->assignable(*address))
    return refuse("InvalidParameterValue", "Address {} is in subnet's reserved address range", wanted);
  if (used.contains(address_text(*address)))
    return refuse("InvalidIPAddress.InUse", "Address {} is in use.", wanted);
  return address_text(*address);
}

// The image's devices, changed by those of the request with the same name.
Outcome<std::vector<DeviceMapping>> merged_devices(Ec2Call& call, const Image& image) {
  std::map<std::string, DeviceMapping> devices;
  for (const DeviceMapping& mapping : image.devices) devices[mapping.device] = mapping;
  const auto requested = TRY(device_mappings(call.in));
  for (const DeviceMapping& mapping : requested) {
    if (mapping.no_device) {
      devices.erase(mapping.device);
      continue;
    }
    DeviceMapping& device = devices.try_emplace(mapping.device, mapping).first->second;
    device.delete_on_termination = mapping.delete_on_termination;
    if (!mapping.snapshot_id.empty() && mapping.snapshot_id != device.snapshot_id) {
      if (mapping.device == image.root_device)
        return refuse("InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device");
      device.snapshot_id = mapping.snapshot_id;
      device.size_gib = 0;
    }
    if (mapping.size_gib != 0) device.size_gib = mapping.size_gib;
    if (!mapping.volume_type.empty()) device.volume_type = mapping.volume_type;
    if (mapping.iops != 0) device.iops = mapping.iops;
    if (mapping.throughput != 0) device.throughput = mapping.throughput;
    if (mapping.initialization_rate != 0) device.initialization_rate = mapping.initialization_rate;
    if (!mapping.kms_key_id.empty()) device.kms_key_id = mapping.kms_key_id;
    device.encrypted = device.encrypted || mapping.encrypted;
  }
  std::vector<DeviceMapping> merged;
  for (auto& [name, mapping] : devices) merged.push_back(std::move(mapping));
  return merged;
}

Outcome<> make_volumes(Ec2Call& call, const Instance& instance, const std::vector<DeviceMapping>& devices,
                       const Tags& tags) {
  unsigned slot = first_data_slot;
  for (const DeviceMapping& mapping : devices) {
    const bool root = mapping.device == instance.root_device;
    if (!root && slot > last_slot)
      return refuse("AttachmentLimitExceeded", "Too many volumes for one instance");
    Volume volume =
        TRY(call.cloud.make_volume({mapping.size_gib, mapping.snapshot_id, mapping.volume_type, instance.zone,
                                    mapping.initialization_rate, mapping.encrypted}));
    volume.iops = mapping.iops;
    volume.throughput = mapping.throughput;
    volume.kms_key_id = mapping.kms_key_id;
    volume.state = "in-use";
    volume.tags = tags;
    volume.attachment = {instance.id,
                         mapping.device,
                         "attached",
                         call.cloud.now_ms(),
                         mapping.delete_on_termination,
                         root ? root_slot : slot++};
    call.cloud.state().put(volume);
  }
  return {};
}

// Locally administered, from the address, as EC2's begin with 06.
std::string mac_of(const std::string& instance_id) {
  const std::string hex = instance_id.substr(instance_id.size() - 10);
  return fmt::format("06:{}:{}:{}:{}:{}", hex.substr(0, 2), hex.substr(2, 2), hex.substr(4, 2),
                     hex.substr(6, 2), hex.substr(8, 2));
}

Outcome<Instance> describe_request(Ec2Call& call, const Image& image, const Subnet& subnet,
                                   const Placement& placement) {
  Instance instance;
  instance.image_id = image.id;
  instance.instance_type = call.in.text("InstanceType", "m1.small");
  instance.subnet_id = subnet.id;
  instance.vpc_id = subnet.vpc_id;
  instance.zone = subnet.zone;
  instance.group_ids = placement.group_ids;
  instance.key_name = call.in.text("KeyName");
  const Parameters profile = call.in.under("IamInstanceProfile");
  instance.iam_profile = profile.text("Arn", profile.text("Name"));
  instance.user_data = call.in.text("UserData");
  if (!from_base64(instance.user_data).ok())
    return refuse("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.");
  instance.client_token = call.in.text("ClientToken");
  instance.architecture = image.architecture;
  instance.boot_mode = image.boot_mode.empty() ? "legacy-bios" : image.boot_mode;
  instance.root_device = image.root_device;
  instance.dies_of = call.instances_die_of;
  // Where the request says nothing, an image with ImdsSupport v2.0 asks for a token.
  if (image.imds_support == "v2.0") instance.metadata_options.tokens = "required";
  TRY(read_options(call.in, instance));
  instance.tags = TRY(tags_on_create(call.in, "instance"));
  return instance;
}

Outcome<std::vector<Instance>> launch(Ec2Call& call, const Instance& pattern, const Subnet& subnet,
                                      const Image& image, const Placement& placement, std::int64_t count) {
  const auto devices = TRY(merged_devices(call, image));
  const Tags volume_tags = TRY(tags_on_create(call.in, "volume"));
  const std::string reservation = "r-" + call.cloud.make<Volume>().id.substr(4);
  std::vector<Instance> launched;
  for (std::int64_t index = 0; index < count; ++index) {
    Instance instance = pattern;
    const Instance fresh = call.cloud.make<Instance>();
    instance.id = fresh.id;
    instance.created_ms = instance.launched_ms = fresh.created_ms;
    instance.launch_index = index;
    instance.reservation_id = reservation;
    instance.private_ip = TRY(choose_address(call.cloud, subnet, placement.private_ip));
    instance.mac = mac_of(instance.id);
    instance.network_interface_id = "eni-" + instance.id.substr(2);
    if (placement.public_address) instance.public_ip = first_public_address(instance.id);
    call.cloud.begin(instance, "pending", "running", call.cloud.knobs().instance_start);
    call.cloud.state().put(instance);
    TRY(make_volumes(call, instance, devices, volume_tags));
    launched.push_back(std::move(instance));
  }
  return launched;
}

Outcome<> answer_again(Ec2Call& call, const std::vector<std::string>& ids) {
  std::vector<Instance> instances;
  for (const std::string& id : ids) {
    auto instance = TRY(made_earlier<Instance>(call, id));
    instances.push_back(std::move(instance));
  }
  write_reservation(call, call.out, instances.front().reservation_id, instances);
  return {};
}

Outcome<std::int64_t> instance_count(const Parameters& in) {
  TRY(in.required("MinCount"));
  TRY(in.required("MaxCount"));
  const std::int64_t least = TRY(in.number("MinCount", 1));
  const std::int64_t most = TRY(in.number("MaxCount", 1));
  if (least < 1 || most < least || most > 50) {
    return refuse("InvalidParameterValue",
                  "Value ({}) for parameter maxCount is invalid: minCount {} <= maxCount <= 50", most, least);
  }
  return most;
}

// All types here are of the Standard families.
Outcome<> check_quota(Ec2Call& call, const InstanceType& type, std::int64_t count) {
  const double quota = call.cloud.account().vcpu_quota().value_or(default_vcpu_quota);
  std::int64_t vcpus = type.vcpus * count;
  for (const auto& [id, instance] : call.cloud.state().all<Instance>()) {
    const InstanceType* other = find_instance_type(instance.instance_type);
    const bool runs = instance.state == "pending" || instance.state == "running";
    if (runs && other != nullptr) vcpus += other->vcpus;
  }
  if (static_cast<double>(vcpus) <= quota) return {};
  return refuse(
      "VcpuLimitExceeded",
      "You have requested more vCPU capacity than your current vCPU limit of {} allows for the instance "
      "bucket that the specified instance type belongs to.",
      quota);
}

Outcome<> run_instances(Ec2Call& call) {
  const auto earlier = TRY(earlier_results(call, "RunInstances"));
  if (!earlier.empty()) return answer_again(call, earlier);
  const std::int64_t count = TRY(instance_count(call.in));
  const std::string image_id = TRY(call.in.required("ImageId"));
  const std::string type = call.in.text("InstanceType", "m1.small");
  const InstanceType* known_type = find_instance_type(type);
  if (known_type == nullptr)
    return refuse("InvalidParameterValue", "Invalid value '{}' for InstanceType.", type);
  const Image image = TRY(call.cloud.require<Image>(image_id));
  TRY(check_image(image, type));
  Placement placement = TRY(placement_of(call.in));
  if (placement.subnet_id.empty()) {
    return refuse(
        "VPCIdNotSpecified",
        "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.");
  }
  const Subnet subnet = TRY(call.cloud.require<Subnet>(placement.subnet_id));
  TRY(check_groups(call.cloud, placement, subnet));
  TRY(check_capacity(call.cloud, type, subnet.zone));
  if (!placement.private_ip.empty() && count > 1) {
    return refuse("InvalidParameterCombination",
                  "Private IP address cannot be specified when launching multiple instances");
  }
  TRY(check_quota(call, *known_type, count));
  const Instance pattern = TRY(describe_request(call, image, subnet, placement));
  const auto launched = TRY(launch(call, pattern, subnet, image, placement, count));
  std::vector<std::string> ids;
  for (const Instance& instance : launched) ids.push_back(instance.id);
  remember_results(call, "RunInstances", ids);
  write_reservation(call, call.out, launched.front().reservation_id, launched);
  return {};
}

}  // namespace

// All of 127.0.0.0/8 is this computer: an instance gets an address there as its public one, so that clients
// reach its port 80 at the address that EC2 tells them.
std::string first_public_address(const std::string& instance_id) {
  const auto digits = std::stoul(instance_id.substr(instance_id.size() - 6), nullptr, 16);
  return fmt::format("127.{}.{}.{}", 64 + (digits >> 16) % 64, (digits >> 8) & 255, 1 + (digits & 255) % 254);
}

Outcome<> check_capacity(Cloud& cloud, const std::string& type, const std::string& zone) {
  if (cloud.knobs().has_capacity(type, zone)) return {};
  std::vector<std::string> others;
  for (const std::string& other : cloud.zones()) {
    if (cloud.knobs().has_capacity(type, other)) others.push_back(other);
  }
  return Refusal{
      "InsufficientInstanceCapacity",
      fmt::format(
          "We currently do not have sufficient {} capacity in the Availability Zone you requested ({}). "
          "Our system will be working on provisioning additional capacity. You can currently get {} "
          "capacity by not specifying an Availability Zone in your request or choosing {}.",
          type, zone, type, fmt::join(others, ", ")),
      500};
}

std::span<const Ec2Action> run_actions() {
  static constexpr Ec2Action actions[] = {{"RunInstances", run_instances}};
  return actions;
}

}  // namespace rekindle::sandbox
