// Describing instances and their network interfaces, and what they print on the serial port.
#include "base/file.h"
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/instance_types.h"

namespace rekindle::sandbox {

namespace {

constexpr std::size_t console_bytes = 64 * kib;  // AWS keeps the newest 64 KB

int state_code(const std::string& state) {
  static const std::map<std::string, int> codes = {{"pending", 0},        {"running", 16},
                                                   {"shutting-down", 32}, {"terminated", 48},
                                                   {"stopping", 64},      {"stopped", 80}};
  const auto code = codes.find(state);
  return code == codes.end() ? 0 : code->second;
}

std::vector<SecurityGroup> groups_of(Cloud& cloud, const Instance& instance) {
  std::vector<SecurityGroup> groups;
  for (const std::string& id : instance.group_ids) {
    if (auto group = cloud.state().find<SecurityGroup>(id)) groups.push_back(*std::move(group));
  }
  return groups;
}

void write_groups(Xml set, const std::vector<SecurityGroup>& groups) {
  for (const SecurityGroup& group : groups) {
    Xml item = set.item();
    item.add("groupId", group.id);
    item.add("groupName", group.name);
  }
}

// Only of one that runs, as in AWS.
void write_association(Xml out, const Instance& instance) {
  if (instance.state != "running" || instance.public_ip.empty()) return;
  Xml association = out.child("association");
  association.add("publicIp", instance.public_ip);
  association.add("publicDnsName", instance.public_ip);
  association.add("ipOwnerId", "amazon");
}

void write_network_interface(Ec2Call& call, Xml interface, const Instance& instance) {
  interface.add("networkInterfaceId", instance.network_interface_id);
  interface.add("subnetId", instance.subnet_id);
  interface.add("vpcId", instance.vpc_id);
  interface.add("ownerId", call.account());
  interface.add("status", "in-use");
  interface.add("macAddress", instance.mac);
  interface.add("privateIpAddress", instance.private_ip);
  interface.add("sourceDestCheck", instance.source_dest_check);
  write_groups(interface.child("groupSet"), groups_of(call.cloud, instance));
  Xml attachment = interface.child("attachment");
  attachment.add("attachmentId", "eni-attach-" + instance.id.substr(2));
  attachment.add("instanceId", instance.id);
  attachment.add("deviceIndex", 0);
  attachment.add("status", "attached");
  attachment.add_time("attachTime", instance.launched_ms);
  attachment.add("deleteOnTermination", true);
  write_association(interface, instance);
  Xml address = interface.child("privateIpAddressesSet").item();
  address.add("privateIpAddress", instance.private_ip);
  address.add("primary", true);
  write_association(address, instance);
}

void write_network(Ec2Call& call, Xml out, const Instance& instance) {
  Xml interfaces = out.child("networkInterfaceSet");
  if (!instance.subnet_id.empty()) write_network_interface(call, interfaces.item(), instance);
}

void write_devices(Ec2Call& call, Xml out, const Instance& instance) {
  Xml devices = out.child("blockDeviceMapping");
  for (const Volume& volume : call.cloud.volumes_of(instance.id)) {
    Xml item = devices.item();
    item.add("deviceName", volume.attachment.device);
    Xml ebs = item.child("ebs");
    ebs.add("volumeId", volume.id);
    ebs.add("status", volume.attachment.state);
    ebs.add_time("attachTime", volume.attachment.attached_ms);
    ebs.add("deleteOnTermination", volume.attachment.delete_on_termination);
  }
}

void write_addresses(Xml out, const Instance& instance) {
  if (instance.state == "terminated" || instance.proxy) return;
  out.add("privateDnsName", fmt::format("ip-{}.ec2.internal", [&] {
            std::string dashed = instance.private_ip;
            std::replace(dashed.begin(), dashed.end(), '.', '-');
            return dashed;
          }()));
  out.add("privateIpAddress", instance.private_ip);
  out.add("subnetId", instance.subnet_id);
  out.add("vpcId", instance.vpc_id);
  if (instance.state != "running") return;  // as AWS: no public address before and after
  if (instance.public_ip.empty()) return;
  out.add("dnsName", instance.public_ip);
  out.add("ipAddress", instance.public_ip);
}

// What no part of the region heeds, but clients read.
void write_options(Xml out, const Instance& instance) {
  out.add("ebsOptimized", instance.ebs_optimized);
  out.child("monitoring").add("state", instance.monitored ? "enabled" : "disabled");
  write_metadata_options(out.child("metadataOptions"), instance.metadata_options);
  if (const InstanceType* type = find_instance_type(instance.instance_type)) {
    Xml cpus = out.child("cpuOptions");
    cpus.add("coreCount", type->vcpus / threads_per_core);
    cpus.add("threadsPerCore", threads_per_core);
  }
  out.child("hibernationOptions").add("configured", false);
  out.child("enclaveOptions").add("enabled", false);
  out.child("maintenanceOptions").add("autoRecovery", "default");
}

void write_instance(Ec2Call& call, Xml out, const Instance& instance) {
  out.add("instanceId", instance.id);
  out.add("imageId", instance.image_id);
  write_state(out, "instanceState", instance.state);
  write_addresses(out, instance);
  out.add_if("keyName", instance.key_name);
  out.add("amiLaunchIndex", instance.launch_index);
  out.add("instanceType", instance.instance_type);
  out.add_time("launchTime", instance.launched_ms);
  Xml placement = out.child("placement");
  placement.add("availabilityZone", instance.zone);
  placement.add("tenancy", "default");
  out.add("architecture", instance.architecture);
  out.add("rootDeviceType", "ebs");
  out.add_if("rootDeviceName", instance.root_device);
  write_devices(call, out, instance);
  out.add("virtualizationType", "hvm");
  out.add("hypervisor", "xen");
  out.add_if("clientToken", instance.client_token);
  out.add_if("bootMode", instance.boot_mode);
  out.add("currentInstanceBootMode", instance.boot_mode.starts_with("uefi") ? "uefi" : "legacy-bios");
  if (!instance.iam_profile.empty())
    out.child("iamInstanceProfile").add("arn", profile_arn(call.cloud, instance.iam_profile));
  if (!instance.reason_code.empty()) {
    Xml reason = out.child("stateReason");
    reason.add("code", instance.reason_code);
    reason.add("message", instance.reason_message);
  }
  write_options(out, instance);
  out.add("enaSupport", true);
  out.add("sourceDestCheck", instance.source_dest_check);
  write_groups(out.child("groupSet"), groups_of(call.cloud, instance));
  write_network(call, out, instance);
  out.add_tags(instance.tags);
}

const FilterTable<Instance>& filters() {
  static const FilterTable<Instance> table = {
      {"instance-id", [](const Instance& instance) { return std::vector{instance.id}; }},
      {"image-id", [](const Instance& instance) { return std::vector{instance.image_id}; }},
      {"instance-state-name", [](const Instance& instance) { return std::vector{instance.state}; }},
      {"instance-state-code",
       [](const Instance& instance) { return std::vector{std::to_string(state_code(instance.state))}; }},
      {"instance-type", [](const Instance& instance) { return std::vector{instance.instance_type}; }},
      {"client-token", [](const Instance& instance) { return std::vector{instance.client_token}; }},
      {"private-ip-address", [](const Instance& instance) { return std::vector{instance.private_ip}; }},
      {"subnet-id", [](const Instance& instance) { return std::vector{instance.subnet_id}; }},
      {"vpc-id", [](const Instance& instance) { return std::vector{instance.vpc_id}; }},
      {"availability-zone", [](const Instance& instance) { return std::vector{instance.zone}; }},
      {"reservation-id", [](const Instance& instance) { return std::vector{instance.reservation_id}; }},
      {"instance.group-id", [](const Instance& instance) { return instance.group_ids; }},
      {"root-device-name", [](const Instance& instance) { return std::vector{instance.root_device}; }},
  };
  return table;
}

Outcome<> describe_instances(Ec2Call& call) {
  const auto found = TRY(select(call, "InstanceId", filters()));
  std::map<std::string, std::vector<Instance>> reservations;
  for (const Instance& instance : found) reservations[instance.reservation_id].push_back(instance);
  Xml set = call.out.child("reservationSet");
  for (const auto& [id, instances] : reservations) write_reservation(call, set.item(), id, instances);
  return {};
}

// The checks of a machine that has just started are still under way.
void write_check(Ec2Call& call, Xml out, const Instance& instance) {
  const bool running = instance.state == "running";
  const auto since = std::chrono::milliseconds(call.cloud.now_ms() - instance.running_since_ms);
  const bool passed = running && since >= call.cloud.knobs().status_checks;
  out.add("status", passed ? "ok" : running ? "initializing" : "not-applicable");
  if (!running) return;
  Xml detail = out.child("details").item();
  detail.add("name", "reachability");
  detail.add("status", passed ? "passed" : "initializing");
}

Outcome<> describe_status(Ec2Call& call) {
  const bool all = TRY(call.in.flag("IncludeAllInstances", false));
  const auto found = TRY(select(call, "InstanceId", filters()));
  Xml set = call.out.child("instanceStatusSet");
  for (const Instance& instance : found) {
    if (!all && instance.state != "running") continue;
    Xml item = set.item();
    item.add("instanceId", instance.id);
    item.add("availabilityZone", instance.zone);
    write_state(item, "instanceState", instance.state);
    for (const char* check : {"systemStatus", "instanceStatus"})
      write_check(call, item.child(check), instance);
  }
  return {};
}

Outcome<> console_output(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  TRY(call.cloud.require<Instance>(id));
  std::string text;
  const auto console = read_text_file(machine_console(call.cloud.instance_directory(id)));
  if (console.ok())
    text = console->size() > console_bytes ? console->substr(console->size() - console_bytes) : *console;
  call.out.add("instanceId", id);
  call.out.add_time("timestamp", call.cloud.now_ms());
  call.out.add("output", to_base64(as_bytes(text)));
  return {};
}

// An interface lives and dies with its instance.
const FilterTable<Instance>& network_interface_filters() {
  static const FilterTable<Instance> table = {
      {"network-interface-id", [](const Instance& one) { return std::vector{one.network_interface_id}; }},
      {"subnet-id", [](const Instance& one) { return std::vector{one.subnet_id}; }},
      {"vpc-id", [](const Instance& one) { return std::vector{one.vpc_id}; }},
      {"private-ip-address", [](const Instance& one) { return std::vector{one.private_ip}; }},
      {"addresses.private-ip-address", [](const Instance& one) { return std::vector{one.private_ip}; }},
      {"attachment.instance-id", [](const Instance& one) { return std::vector{one.id}; }},
      {"group-id", [](const Instance& one) { return one.group_ids; }},
      {"description", [](const Instance&) { return std::vector<std::string>{""}; }},
  };
  return table;
}

Outcome<> describe_network_interfaces(Ec2Call& call) {
  const std::vector<Filter> filters = filters_of(call.in);
  Xml set = call.out.child("networkInterfaceSet");
  for (const auto& [id, instance] : call.cloud.state().all<Instance>()) {
    if (instance.subnet_id.empty() || instance.state == "terminated" || call.cloud.hidden(instance)) continue;
    const bool passed = TRY(passes(filters, network_interface_filters(), instance));
    if (passed) write_network_interface(call, set.item(), instance);
  }
  return {};
}

}  // namespace

void write_state(Xml out, const char* name, const std::string& state) {
  Xml element = out.child(name);
  element.add("code", state_code(state));
  element.add("name", state);
}

void write_reservation(Ec2Call& call, Xml out, const std::string& reservation_id,
                       const std::vector<Instance>& instances) {
  out.add("reservationId", reservation_id);
  out.add("ownerId", call.account());
  out.child("groupSet");
  Xml set = out.child("instancesSet");
  for (const Instance& instance : instances) write_instance(call, set.item(), instance);
}

std::span<const Ec2Action> instance_view_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeNetworkInterfaces", describe_network_interfaces},
      {"DescribeInstances", describe_instances},
      {"DescribeInstanceStatus", describe_status},
      {"GetConsoleOutput", console_output},
  };
  return actions;
}

}  // namespace rekindle::sandbox
