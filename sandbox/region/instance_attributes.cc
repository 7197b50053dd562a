// What can be asked and changed of one instance, attribute by attribute, and of its network interface.
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/instance_types.h"

namespace rekindle::sandbox {

namespace {

Outcome<> describe(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  const std::string attribute = TRY(call.in.required("Attribute"));
  const auto instance = TRY(call.cloud.require<Instance>(id));
  const std::map<std::string, std::string> values = {
      {"instanceType", instance.instance_type},
      {"userData", instance.user_data},
      {"sourceDestCheck", text_of(instance.source_dest_check)},
      {"rootDeviceName", instance.root_device},
      {"disableApiTermination", text_of(instance.termination_disabled)},
      {"disableApiStop", text_of(instance.stop_disabled)},
      {"instanceInitiatedShutdownBehavior", instance.shutdown_behavior},
      {"ebsOptimized", text_of(instance.ebs_optimized)},
  };
  const auto value = values.find(attribute);
  if (value == values.end())
    return refuse("InvalidParameterValue", "Value ({}) for parameter attribute is invalid.", attribute);
  call.out.add("instanceId", id);
  Xml out = call.out.child(attribute.c_str());
  if (!value->second.empty()) out.add("value", value->second);
  return {};
}

Outcome<> require_stopped(const Instance& instance) {
  if (instance.state == "stopped") return {};
  return refuse("IncorrectInstanceState", "The instance '{}' is not in the 'stopped' state.", instance.id);
}

Outcome<> change_type(const Parameters& in, Instance& instance) {
  const std::string type = in.text("InstanceType.Value");
  TRY(require_stopped(instance));
  if (find_instance_type(type) == nullptr)
    return refuse("InvalidInstanceAttributeValue", "Invalid value '{}' for InstanceType.", type);
  if (is_burstable(type) != is_burstable(instance.instance_type)) instance.cpu_credits = usual_credits(type);
  instance.instance_type = type;
  return {};
}

Outcome<> change_user_data(const Parameters& in, Instance& instance) {
  TRY(require_stopped(instance));
  instance.user_data = in.text("UserData.Value");
  return {};
}

Outcome<> change_ebs_optimized(const Parameters& in, Instance& instance) {
  TRY(require_stopped(instance));
  instance.ebs_optimized = TRY(in.flag("EbsOptimized.Value", false));
  return {};
}

Outcome<> change_shutdown(const Parameters& in, Instance& instance) {
  const std::string behavior = in.text("InstanceInitiatedShutdownBehavior.Value");
  TRY(one_of("instanceInitiatedShutdownBehavior", behavior, {"stop", "terminate"}));
  instance.shutdown_behavior = behavior.empty() ? "stop" : behavior;
  return {};
}

Outcome<> change_source_dest_check(const Parameters& in, Instance& instance) {
  instance.source_dest_check = TRY(in.flag("SourceDestCheck.Value", true));
  return {};
}

Outcome<> change_termination(const Parameters& in, Instance& instance) {
  instance.termination_disabled = TRY(in.flag("DisableApiTermination.Value", false));
  return {};
}

Outcome<> change_stop(const Parameters& in, Instance& instance) {
  instance.stop_disabled = TRY(in.flag("DisableApiStop.Value", false));
  return {};
}

struct Change {
  const char* attribute;
  Outcome<> (*apply)(const Parameters& in, Instance& instance);
};

// Of the instance alone; each has its Value.
constexpr Change changes[] = {
    {"SourceDestCheck", change_source_dest_check},
    {"DisableApiTermination", change_termination},
    {"DisableApiStop", change_stop},
    {"EbsOptimized", change_ebs_optimized},
    {"InstanceInitiatedShutdownBehavior", change_shutdown},
    {"InstanceType", change_type},
    {"UserData", change_user_data},
};

Outcome<> change_groups(Cloud& cloud, Instance& instance, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    const SecurityGroup group = TRY(cloud.require<SecurityGroup>(id));
    if (group.vpc_id != instance.vpc_id)
      return refuse("InvalidGroup.NotFound", "The security group '{}' is not in the VPC {}", id,
                    instance.vpc_id);
  }
  instance.group_ids = ids;
  return {};
}

// Whether volumes go with the instance.
Outcome<> change_devices(Cloud& cloud, const Instance& instance, const std::vector<Parameters>& mappings) {
  for (const Parameters& mapping : mappings) {
    const std::string device = TRY(mapping.required("DeviceName"));
    auto volumes = cloud.volumes_of(instance.id);
    const auto volume = std::find_if(volumes.begin(), volumes.end(),
                                     [&](const Volume& one) { return one.attachment.device == device; });
    if (volume == volumes.end())
      return refuse("InvalidInstanceAttributeValue", "No device is currently mapped at {}", device);
    volume->attachment.delete_on_termination =
        TRY(mapping.flag("Ebs.DeleteOnTermination", volume->attachment.delete_on_termination));
    cloud.state().put(*volume);
  }
  return {};
}

// One attribute a call.
Outcome<> modify(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  auto instance = TRY(call.cloud.require<Instance>(id));
  const auto groups = call.in.list("GroupId");
  const auto mappings = call.in.structures("BlockDeviceMapping");
  const auto* change = std::find_if(std::begin(changes), std::end(changes), [&](const Change& one) {
    return call.in.has(std::string(one.attribute) + ".Value");
  });
  if (change != std::end(changes)) {
    TRY(change->apply(call.in, instance));
  } else if (!groups.empty()) {
    TRY(change_groups(call.cloud, instance, groups));
  } else if (!mappings.empty()) {
    TRY(change_devices(call.cloud, instance, mappings));
  } else {
    return refuse("InvalidParameterCombination",
                  "No attributes specified, or one that the local region does not change");
  }
  call.cloud.state().put(instance);
  call.out.add("return", true);
  return {};
}

// An interface lives and dies with its instance, which keeps what is changed.
Outcome<> modify_network_interface(Ec2Call& call) {
  const std::string wanted = TRY(call.in.required("NetworkInterfaceId"));
  const auto& all = call.cloud.state().all<Instance>();
  const auto row = std::find_if(all.begin(), all.end(), [&](const auto& one) {
    return one.second.network_interface_id == wanted && one.second.state != "terminated";
  });
  if (row == all.end())
    return refuse("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist",
                  wanted);
  Instance instance = row->second;
  const auto groups = call.in.list("SecurityGroupId");
  if (!groups.empty()) {
    TRY(change_groups(call.cloud, instance, groups));
  } else if (call.in.has("SourceDestCheck.Value")) {
    TRY(change_source_dest_check(call.in, instance));
  } else {
    return refuse("InvalidParameterCombination",
                  "The local region changes no attribute but groups and SourceDestCheck of an interface");
  }
  call.cloud.state().put(instance);
  call.out.add("return", true);
  return {};
}

}  // namespace

std::span<const Ec2Action> instance_attribute_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeInstanceAttribute", describe},
      {"ModifyInstanceAttribute", modify},
      {"ModifyNetworkInterfaceAttribute", modify_network_interface},
  };
  return actions;
}

}  // namespace rekindle::sandbox
