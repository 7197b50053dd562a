// What the region offers: itself, its zones, instance types, the account's attributes.
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/instance_types.h"

namespace rekindle::sandbox {

namespace {

Outcome<> describe_regions(Ec2Call& call) {
  const std::string& name = call.cloud.options().name;
  for (const std::string& wanted : call.in.list("RegionName")) {
    if (wanted != name) return refuse("InvalidParameterValue", "Invalid region names: [{}]", wanted);
  }
  Xml item = call.out.child("regionInfo").item();
  item.add("regionName", name);
  item.add("regionEndpoint", fmt::format("ec2.{}.amazonaws.com", name));
  item.add("optInStatus", "opt-in-not-required");
  return {};
}

Outcome<> describe_zones(Ec2Call& call) {
  const auto wanted = call.in.list("ZoneName");
  const auto zones = call.cloud.zones();
  for (const std::string& name : wanted) {
    if (std::find(zones.begin(), zones.end(), name) == zones.end())
      return refuse("InvalidParameterValue", "Invalid availability zones: [{}]", name);
  }
  Xml set = call.out.child("availabilityZoneInfo");
  for (std::size_t i = 0; i < zones.size(); ++i) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), zones[i]) == wanted.end()) continue;
    Xml item = set.item();
    item.add("zoneName", zones[i]);
    item.add("zoneId", fmt::format("use1-az{}", i + 1));
    item.add("groupName", call.cloud.options().name);
    item.add("optInStatus", "opt-in-not-required");
    item.add("zoneState", "available");
    item.add("zoneType", "availability-zone");
    item.add("regionName", call.cloud.options().name);
    item.child("messageSet");
  }
  return {};
}

// The names asked for by `parameter` and the filter instance-type, or all.
Outcome<std::vector<InstanceType>> wanted_types(Ec2Call& call) {
  std::vector<InstanceType> found;
  for (const std::string& name : call.in.list("InstanceType")) {
    const InstanceType* type = find_instance_type(name);
    if (type == nullptr)
      return refuse("InvalidInstanceType", "The following supplied instance types do not exist: [{}]", name);
    found.push_back(*type);
  }
  if (found.empty()) found.assign(instance_types().begin(), instance_types().end());
  for (const Filter& filter : filters_of(call.in)) {
    if (filter.name == "location") continue;
    if (filter.name == "current-generation" && filter.matches("true")) continue;
    if (filter.name == "processor-info.supported-architecture" && filter.matches("x86_64")) continue;
    if (filter.name != "instance-type")
      return refuse("InvalidParameterValue", "The filter '{}' is invalid", filter.name);
    std::erase_if(found, [&](const InstanceType& type) { return !filter.matches(type.name); });
  }
  return found;
}

void write_type(Xml item, const InstanceType& type) {
  item.add("instanceType", type.name);
  item.add("currentGeneration", true);
  item.add("bareMetal", false);
  item.add("hypervisor", type.hypervisor);
  item.add_list("supportedUsageClasses", {"on-demand"});
  item.add_list("supportedRootDeviceTypes", {"ebs"});
  item.add_list("supportedVirtualizationTypes", {"hvm"});
  item.add_list("supportedBootModes", {"legacy-bios", "uefi"});
  item.child("processorInfo").add_list("supportedArchitectures", {"x86_64"});
  item.add("burstablePerformanceSupported", is_burstable(type.name));
  item.add("instanceStorageSupported", false);
  item.add("hibernationSupported", false);
  Xml cpus = item.child("vCpuInfo");
  cpus.add("defaultVCpus", type.vcpus);
  cpus.add("defaultCores", type.vcpus / threads_per_core);
  cpus.add("defaultThreadsPerCore", threads_per_core);
  item.child("memoryInfo").add("sizeInMiB", type.memory_mib);
  Xml ebs = item.child("ebsInfo");
  ebs.add("encryptionSupport", "supported");
  ebs.add("nvmeSupport", "required");
  item.child("networkInfo").add("enaSupport", "required");
}

Outcome<> describe_types(Ec2Call& call) {
  const auto types = TRY(wanted_types(call));
  Xml set = call.out.child("instanceTypeSet");
  for (const InstanceType& type : types) write_type(set.item(), type);
  return {};
}

Outcome<> describe_offerings(Ec2Call& call) {
  const auto types = TRY(wanted_types(call));
  const std::string kind = call.in.text("LocationType", "region");
  std::vector<std::string> places = call.cloud.zones();
  if (kind == "region") places = {call.cloud.options().name};
  for (const Filter& filter : filters_of(call.in)) {
    if (filter.name != "location") continue;
    std::erase_if(places, [&](const std::string& place) { return !filter.matches(place); });
  }
  Xml set = call.out.child("instanceTypeOfferingSet");
  for (const InstanceType& type : types) {
    for (const std::string& place : places) {
      Xml item = set.item();
      item.add("instanceType", type.name);
      item.add("locationType", kind);
      item.add("location", place);
    }
  }
  return {};
}

Outcome<> describe_attributes(Ec2Call& call) {
  const std::map<std::string, std::string> attributes = {{"supported-platforms", "VPC"},
                                                         {"default-vpc", "none"},
                                                         {"max-instances", "20"},
                                                         {"vpc-max-security-groups-per-interface", "5"}};
  const auto wanted = call.in.list("AttributeName");
  Xml set = call.out.child("accountAttributeSet");
  for (const auto& [name, value] : attributes) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    Xml item = set.item();
    item.add("attributeName", name);
    item.child("attributeValueSet").item().add("attributeValue", value);
  }
  return {};
}

Outcome<> encryption_by_default(Ec2Call& call) {
  call.out.add("ebsEncryptionByDefault", call.cloud.knobs().encryption_by_default);
  return {};
}

}  // namespace

std::span<const Ec2Action> place_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeRegions", describe_regions},
      {"DescribeAvailabilityZones", describe_zones},
      {"DescribeInstanceTypes", describe_types},
      {"DescribeInstanceTypeOfferings", describe_offerings},
      {"DescribeAccountAttributes", describe_attributes},
      {"GetEbsEncryptionByDefault", encryption_by_default},
  };
  return actions;
}

}  // namespace rekindle::sandbox
