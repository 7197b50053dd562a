#include "recover/launch_settings.h"

#include "base/ipv4.h"

namespace rekindle {

namespace {

Result<std::string> resolve_type(RecoveryTarget& site, const DrCopy& copy, const FailoverSettings& settings) {
  if (settings.instance_type != "auto") return settings.instance_type;
  if (copy.vcpus == 0 || copy.memory_mib == 0) {
    return error(
        ErrorCode::failed_precondition,
        "the DR copy of {} is of an earlier version and does not know its vCPUs and memory; make a new "
        "one with 'rekindle replicate run {}', or set instance_type in the DR plan",
        copy.machine, copy.plan);
  }
  return site.propose_instance_type(copy.vcpus, copy.memory_mib, settings.subnet_id);
}

Result<std::string> resolve_address(RecoveryTarget& site, const DrCopy& copy,
                                    const FailoverSettings& settings) {
  if (settings.private_ip == "auto") return std::string();
  if (settings.private_ip != "same-host") return settings.private_ip;
  if (settings.same_host_as.empty()) {
    return error(
        ErrorCode::invalid_argument,
        "{}: private_ip is same-host, and nothing says as what: set same_host_as to its address in the "
        "datacenter in the DR plan",
        copy.machine);
  }
  const Subnet subnet = TRY(site.subnet(settings.subnet_id));
  return same_host_in(subnet.range, settings.same_host_as);
}

}  // namespace

Result<std::string> same_host_in(const std::string& range, const std::string& address) {
  const auto parsed = parse_ipv4_range(range);
  const auto host = parse_ipv4(address);
  if (!parsed) return error(ErrorCode::invalid_argument, "'{}' is not a range of IPv4 addresses", range);
  if (!host) {
    return error(ErrorCode::invalid_argument,
                 "'{}' is not an IPv4 address; correct same_host_as in the DR plan", address);
  }
  const std::uint32_t mask = ~(parsed->size() - 1);
  return ipv4_text((parsed->network & mask) | (*host & ~mask));
}

Result<FailoverSettings> resolve_settings(RecoveryTarget& site, const DrCopy& copy,
                                          FailoverSettings settings) {
  if (settings.instance_type.empty() || settings.subnet_id.empty()) {
    return error(ErrorCode::invalid_argument, "the DR plan {} says no {} for {}", copy.plan,
                 settings.subnet_id.empty() ? "subnet_id" : "instance_type", copy.machine);
  }
  settings.instance_type = TRY(resolve_type(site, copy, settings));
  settings.private_ip = TRY(resolve_address(site, copy, settings));
  return settings;
}

LaunchSpec launch_spec_of(const FailoverSettings& settings, const DrCopy& copy) {
  LaunchSpec spec;
  spec.instance_type = settings.instance_type;
  spec.subnet_id = settings.subnet_id;
  spec.security_group_ids = settings.security_group_ids;
  spec.private_ip = settings.private_ip;
  if (settings.public_ip == "yes" || settings.public_ip == "no")
    spec.public_address = settings.public_ip == "yes";
  if (settings.public_ip.starts_with("eipalloc-")) spec.elastic_ip = settings.public_ip;
  spec.instance_profile = settings.instance_profile;
  spec.user_data = settings.user_data;
  spec.source_dest_check = settings.source_dest_check;
  spec.volumes = settings.volumes;
  spec.disks = copy.disks.size();
  spec.tags = settings.tags;
  return spec;
}

}  // namespace rekindle
