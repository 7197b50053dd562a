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

// One of two words for a flag, which stays as it is when none is given.
Outcome<> change_flag(bool& flag, const Parameters& in, const char* name, const char* yes, const char* no) {
  const std::string given = in.text(name);
  if (given.empty()) return {};
  if (given != yes && given != no)
    return refuse("InvalidParameterValue", "Value ({}) for parameter {} is invalid.", given, name);
  flag = given == yes;
  return {};
}

Outcome<> modify_metadata(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  auto instance = TRY(call.cloud.require<Instance>(id));
  TRY(change_metadata_options(instance, call.in));
  call.cloud.state().put(instance);
  call.out.add("instanceId", id);
  write_metadata_options(call.out.child("instanceMetadataOptions"), instance);
  return {};
}

}  // namespace

Outcome<> change_metadata_options(Instance& instance, const Parameters& in) {
  TRY(change_flag(instance.metadata_token_required, in, "HttpTokens", "required", "optional"));
  return change_flag(instance.metadata_enabled, in, "HttpEndpoint", "enabled", "disabled");
}

void write_metadata_options(Xml out, const Instance& instance) {
  out.add("state", "applied");
  out.add("httpTokens", instance.metadata_token_required ? "required" : "optional");
  out.add("httpPutResponseHopLimit", 1);
  out.add("httpEndpoint", instance.metadata_enabled ? "enabled" : "disabled");
}

std::span<const Ec2Action> instance_attribute_actions() {
  static constexpr Ec2Action actions[] = {
      {"DescribeInstanceAttribute", describe},
      {"ModifyInstanceAttribute", modify},
      {"ModifyInstanceMetadataOptions", modify_metadata},
  };
  return actions;
}

}  // namespace rekindle::sandbox
