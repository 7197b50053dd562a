// What an instance was launched with beside its place and its disks: protection from being ended, monitoring,
// CPU credits, options of the metadata service; and the calls that change one of them.
#include "sandbox/region/ec2_call.h"
#include "sandbox/region/instance_types.h"

namespace rekindle::sandbox {

namespace {

constexpr std::int64_t most_hops = 64;

Outcome<std::string> credits_of(const Parameters& in, const std::string& instance_type) {
  const std::string wanted = in.text("CpuCredits", usual_credits(instance_type));
  TRY(one_of("cpuCredits", wanted, {"standard", "unlimited"}));
  if (!wanted.empty() && !is_burstable(instance_type)) {
    return refuse("InvalidParameterCombination",
                  "The instance type '{}' is not burstable: it takes no credit specification", instance_type);
  }
  return wanted;
}

Outcome<> read_metadata_options(const Parameters& in, MetadataOptions& options) {
  options.tokens = in.text("HttpTokens", options.tokens);
  options.endpoint = in.text("HttpEndpoint", options.endpoint);
  options.tags = in.text("InstanceMetadataTags", options.tags);
  options.hop_limit = TRY(in.number("HttpPutResponseHopLimit", options.hop_limit));
  TRY(one_of("httpTokens", options.tokens, {"optional", "required"}));
  TRY(one_of("httpEndpoint", options.endpoint, {"enabled", "disabled"}));
  TRY(one_of("instanceMetadataTags", options.tags, {"enabled", "disabled"}));
  if (options.hop_limit >= 1 && options.hop_limit <= most_hops) return {};
  return refuse("InvalidParameterValue",
                "Value ({}) for parameter HttpPutResponseHopLimit is invalid. Valid: 1-{}", options.hop_limit,
                most_hops);
}

Outcome<> modify_metadata_options(Ec2Call& call) {
  const std::string id = TRY(call.in.required("InstanceId"));
  auto instance = TRY(call.cloud.require<Instance>(id));
  TRY(read_metadata_options(call.in, instance.metadata_options));
  call.cloud.state().put(instance);
  call.out.add("instanceId", id);
  write_metadata_options(call.out.child("instanceMetadataOptions"), instance.metadata_options);
  return {};
}

const FilterTable<Instance>& credit_filters() {
  static const FilterTable<Instance> table = {
      {"instance-id", [](const Instance& instance) { return std::vector{instance.id}; }},
  };
  return table;
}

// Without ids, those that are unlimited.
Outcome<> describe_credits(Ec2Call& call) {
  const bool named = !call.in.list("InstanceId").empty();
  const auto found = TRY(select(call, "InstanceId", credit_filters()));
  Xml set = call.out.child("instanceCreditSpecificationSet");
  for (const Instance& instance : found) {
    if (named && !is_burstable(instance.instance_type)) {
      return refuse("InstanceCreditSpecification.NotSupported",
                    "The instance '{}' of type {} has no credit specification", instance.id,
                    instance.instance_type);
    }
    if (!named && instance.cpu_credits != "unlimited") continue;
    Xml item = set.item();
    item.add("instanceId", instance.id);
    item.add("cpuCredits", instance.cpu_credits);
  }
  return {};
}

Outcome<> modify_credits(Ec2Call& call) {
  Xml changed = call.out.child("successfulInstanceCreditSpecificationSet");
  for (const Parameters& one : call.in.structures("InstanceCreditSpecification")) {
    const std::string id = TRY(one.required("InstanceId"));
    auto instance = TRY(call.cloud.require<Instance>(id));
    instance.cpu_credits = TRY(credits_of(one, instance.instance_type));
    call.cloud.state().put(instance);
    changed.item().add("instanceId", id);
  }
  call.out.child("unsuccessfulInstanceCreditSpecificationSet");
  return {};
}

Outcome<> set_monitoring(Ec2Call& call, bool monitored) {
  Xml set = call.out.child("instancesSet");
  for (const std::string& id : call.in.list("InstanceId")) {
    auto instance = TRY(call.cloud.require<Instance>(id));
    instance.monitored = monitored;
    call.cloud.state().put(instance);
    Xml item = set.item();
    item.add("instanceId", id);
    item.child("monitoring").add("state", monitored ? "enabled" : "disabled");
  }
  return {};
}

Outcome<> monitor(Ec2Call& call) {
  return set_monitoring(call, true);
}

Outcome<> unmonitor(Ec2Call& call) {
  return set_monitoring(call, false);
}

}  // namespace

std::string usual_credits(std::string_view instance_type) {
  return is_burstable(instance_type) ? "unlimited" : "";
}

Outcome<> read_options(const Parameters& in, Instance& instance) {
  instance.termination_disabled = TRY(in.flag("DisableApiTermination", false));
  instance.stop_disabled = TRY(in.flag("DisableApiStop", false));
  instance.ebs_optimized = TRY(in.flag("EbsOptimized", false));
  instance.monitored = TRY(in.flag("Monitoring.Enabled", false));
  instance.shutdown_behavior = in.text("InstanceInitiatedShutdownBehavior", "stop");
  TRY(one_of("instanceInitiatedShutdownBehavior", instance.shutdown_behavior, {"stop", "terminate"}));
  instance.cpu_credits = TRY(credits_of(in.under("CreditSpecification"), instance.instance_type));
  return read_metadata_options(in.under("MetadataOptions"), instance.metadata_options);
}

void write_metadata_options(Xml out, const MetadataOptions& options) {
  out.add("state", "applied");
  out.add("httpTokens", options.tokens);
  out.add("httpPutResponseHopLimit", options.hop_limit);
  out.add("httpEndpoint", options.endpoint);
  out.add("httpProtocolIpv6", "disabled");
  out.add("instanceMetadataTags", options.tags);
}

std::span<const Ec2Action> instance_option_actions() {
  static constexpr Ec2Action actions[] = {
      {"ModifyInstanceMetadataOptions", modify_metadata_options},
      {"DescribeInstanceCreditSpecifications", describe_credits},
      {"ModifyInstanceCreditSpecification", modify_credits},
      {"MonitorInstances", monitor},
      {"UnmonitorInstances", unmonitor},
  };
  return actions;
}

}  // namespace rekindle::sandbox
