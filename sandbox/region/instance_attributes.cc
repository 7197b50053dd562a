// What can be asked and changed of one instance, attribute by attribute.
#include "sandbox/region/ec2_call.h"

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
      {"disableApiTermination", "false"},
      {"disableApiStop", "false"},
      {"instanceInitiatedShutdownBehavior", "stop"},
      {"ebsOptimized", "false"},
  };
  const auto value = values.find(attribute);
  if (value == values.end())
    return refuse("InvalidParameterValue", "Value ({}) for parameter attribute is invalid.", attribute);
  call.out.add("instanceId", id);
  Xml out = call.out.child(attribute.c_str());
  if (!value->second.empty()) out.add("value", value->second);
  return {};
}

Outcome<> modify(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  auto instance = TRY(call.cloud.require<Instance>(id));
  if (!call.in.has("SourceDestCheck.Value")) {
    return refuse("InvalidParameterCombination",
                  "The local region changes no attribute but SourceDestCheck of an instance");
  }
  instance.source_dest_check = TRY(call.in.flag("SourceDestCheck.Value", true));
  call.cloud.state().put(instance);
  call.out.add("return", true);
  return {};
}

}  // namespace

std::span<const Ec2Action> instance_attribute_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeInstanceAttribute", describe},
      {"ModifyInstanceAttribute", modify},
  };
  return actions;
}

}  // namespace rekindle::sandbox
