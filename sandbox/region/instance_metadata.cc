// What the metadata service says to an instance: the categories of
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html that hold for one
// here.
#include <algorithm>

#include "sandbox/region/metadata.h"

namespace rekindle::sandbox {

namespace {

using nlohmann::json;
using Values = std::map<std::string, std::string>;

std::string iso(std::int64_t ms) {
  return to_iso8601(Time(std::chrono::milliseconds(ms / 1000 * 1000)));
}

std::string host_name(const Instance& instance) {
  std::string dashed = instance.private_ip;
  std::replace(dashed.begin(), dashed.end(), '.', '-');
  return "ip-" + dashed + ".ec2.internal";
}

// By line, in the instance's order.
std::string group_names(Cloud& cloud, const Instance& instance) {
  std::vector<std::string> names;
  for (const std::string& id : instance.group_ids) {
    if (const auto group = cloud.state().find<SecurityGroup>(id)) names.push_back(group->name);
  }
  return fmt::format("{}", fmt::join(names, "\n"));
}

void add_identity(Values& values, const Instance& instance) {
  values["meta-data/ami-id"] = instance.image_id;
  values["meta-data/ami-launch-index"] = std::to_string(instance.launch_index);
  values["meta-data/hostname"] = values["meta-data/local-hostname"] = host_name(instance);
  values["meta-data/instance-id"] = instance.id;
  values["meta-data/instance-life-cycle"] = "on-demand";
  values["meta-data/instance-type"] = instance.instance_type;
  values["meta-data/local-ipv4"] = instance.private_ip;
  values["meta-data/mac"] = instance.mac;
  values["meta-data/reservation-id"] = instance.reservation_id;
  values["meta-data/placement/availability-zone"] = instance.zone;
  if (!instance.public_ip.empty())
    values["meta-data/public-ipv4"] = values["meta-data/public-hostname"] = instance.public_ip;
}

void add_devices(Values& values, Cloud& cloud, const Instance& instance) {
  const std::string folder = "meta-data/block-device-mapping/";
  values[folder + "ami"] = values[folder + "root"] = instance.root_device;
  int number = 0;
  for (const Volume& volume : cloud.volumes_of(instance.id)) {
    if (volume.attachment.device == instance.root_device) continue;
    values[folder + "ebs" + std::to_string(++number)] = volume.attachment.device;
  }
}

void add_interface(Values& values, Cloud& cloud, const Instance& instance) {
  const std::string folder = "meta-data/network/interfaces/macs/" + instance.mac + "/";
  values["meta-data/security-groups"] = values[folder + "security-groups"] = group_names(cloud, instance);
  values[folder + "device-number"] = "0";
  values[folder + "interface-id"] = instance.network_interface_id;
  values[folder + "local-ipv4s"] = instance.private_ip;
  values[folder + "mac"] = instance.mac;
  values[folder + "owner-id"] = cloud.options().account_id;
  values[folder + "security-group-ids"] = fmt::format("{}", fmt::join(instance.group_ids, "\n"));
  values[folder + "subnet-id"] = instance.subnet_id;
  values[folder + "vpc-id"] = instance.vpc_id;
  if (const auto subnet = cloud.state().find<Subnet>(instance.subnet_id))
    values[folder + "subnet-ipv4-cidr-block"] = subnet->cidr;
  if (const auto vpc = cloud.state().find<Vpc>(instance.vpc_id))
    values[folder + "vpc-ipv4-cidr-block"] = vpc->cidr;
  if (!instance.public_ip.empty()) values[folder + "public-ipv4s"] = instance.public_ip;
}

std::string identity_document(const Cloud& cloud, const Instance& instance) {
  return json{{"accountId", cloud.options().account_id},
              {"architecture", instance.architecture},
              {"availabilityZone", instance.zone},
              {"billingProducts", nullptr},
              {"devpayProductCodes", nullptr},
              {"imageId", instance.image_id},
              {"instanceId", instance.id},
              {"instanceType", instance.instance_type},
              {"kernelId", nullptr},
              {"marketplaceProductCodes", nullptr},
              {"pendingTime", iso(instance.launched_ms)},
              {"privateIp", instance.private_ip},
              {"ramdiskId", nullptr},
              {"region", cloud.options().name},
              {"version", "2017-09-30"}}
      .dump(2);
}

// An instance has its profile as an ARN or by name.
std::string profile_name(const Instance& instance) {
  return instance.iam_profile.substr(instance.iam_profile.rfind('/') + 1);
}

void add_profile(Values& values, Cloud& cloud, const Instance& instance) {
  if (instance.iam_profile.empty()) return;
  const std::string arn = instance.iam_profile.starts_with("arn:")
                              ? instance.iam_profile
                              : fmt::format("arn:aws:iam::{}:instance-profile/{}", cloud.options().account_id,
                                            instance.iam_profile);
  values["meta-data/iam/info"] =
      json{{"Code", "Success"}, {"LastUpdated", iso(instance.launched_ms)}, {"InstanceProfileArn", arn}}.dump(
          2);
}

std::optional<Role> role_of(const Cloud& cloud, const Roles& roles, const Instance& instance) {
  if (instance.iam_profile.empty()) return roles.of_instances();
  const auto profile = cloud.account().find_profile(profile_name(instance));
  return profile ? roles.find(profile->role) : std::nullopt;
}

void add_user_data(Values& values, const Instance& instance) {
  if (instance.user_data.empty()) return;
  const auto data = from_base64(instance.user_data);
  if (data.ok()) values["user-data"] = std::string(as_text(*data));
}

}  // namespace

std::optional<Metadata> metadata_of_instance(Cloud& cloud, const Roles& roles,
                                             const std::string& instance_id) {
  const std::lock_guard lock(cloud.mutex());
  const auto instance = cloud.state().find<Instance>(instance_id);
  if (!instance) return std::nullopt;
  Metadata metadata;
  metadata.caller = "metadata " + instance_id;
  metadata.enabled = instance->metadata_options.endpoint == "enabled";
  metadata.token_required = instance->metadata_options.tokens == "required";
  metadata.role = role_of(cloud, roles, *instance);
  metadata.role_session = instance_id;
  Values& values = metadata.values;
  values["meta-data/placement/region"] = cloud.options().name;
  add_identity(values, *instance);
  add_devices(values, cloud, *instance);
  add_interface(values, cloud, *instance);
  add_profile(values, cloud, *instance);
  add_user_data(values, *instance);
  values["dynamic/instance-identity/document"] = identity_document(cloud, *instance);
  return metadata;
}

}  // namespace rekindle::sandbox
