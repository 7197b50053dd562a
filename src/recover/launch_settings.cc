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

bool contains_address(const std::string& range, const std::string& address) {
  const auto parsed = parse_ipv4_range(range);
  const auto host = parse_ipv4(address);
  return parsed && host && ((*host ^ parsed->network) & ~(parsed->size() - 1)) == 0;
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

void to_json(nlohmann::json& j, const LaunchCandidate& candidate) {
  j = {{"instance_type", candidate.instance_type},
       {"subnet_id", candidate.subnet_id},
       {"private_ip", candidate.private_ip}};
}

void from_json(const nlohmann::json& j, LaunchCandidate& candidate) {
  j.at("instance_type").get_to(candidate.instance_type);
  j.at("subnet_id").get_to(candidate.subnet_id);
  j.at("private_ip").get_to(candidate.private_ip);
}

namespace {

// The same in another subnet. A fixed address is one of the first subnet's range, most likely.
Result<FailoverSettings> in_other_subnet(RecoveryTarget& site, FailoverSettings settings,
                                         const std::string& subnet_id, std::vector<std::string>& remarks) {
  settings.subnet_id = subnet_id;
  const std::string address = settings.private_ip;
  if (address.empty() || address == "auto" || address == "same-host") return settings;
  const Subnet subnet = TRY(site.subnet(subnet_id));
  if (contains_address(subnet.range, address)) return settings;
  remarks.push_back(fmt::format("its address {} is not in {} of {}: it gets any free one there", address,
                                subnet.range, subnet_id));
  settings.private_ip = "auto";
  return settings;
}

void add_candidates(LaunchChoice& choice, const FailoverSettings& resolved) {
  if (choice.candidates.empty()) choice.settings = resolved;
  std::vector<std::string> types = {resolved.instance_type};
  types.insert(types.end(), resolved.other_instance_types.begin(), resolved.other_instance_types.end());
  for (const std::string& type : types)
    choice.candidates.push_back({type, resolved.subnet_id, resolved.private_ip});
}

}  // namespace

Result<LaunchChoice> resolve_candidates(RecoveryTarget& site, const DrCopy& copy,
                                        const FailoverSettings& settings) {
  LaunchChoice choice;
  const auto first = resolve_settings(site, copy, settings);
  if (first.ok()) {
    add_candidates(choice, *first);
  } else if (first.error().code() != ErrorCode::exhausted || settings.other_subnets.empty()) {
    return first.error();
  }
  for (const std::string& subnet_id : settings.other_subnets) {
    const auto wanted = in_other_subnet(site, settings, subnet_id, choice.remarks);
    const auto resolved = wanted.ok() ? resolve_settings(site, copy, *wanted) : wanted;
    if (resolved.ok()) {
      add_candidates(choice, *resolved);
    } else {
      choice.remarks.push_back(
          fmt::format("{} of other_subnets cannot be used: {}", subnet_id, resolved.error().message()));
    }
  }
  if (choice.candidates.empty()) return first.error();
  return choice;
}

void start_as(LaunchSpec& spec, const LaunchCandidate& candidate) {
  spec.instance_type = candidate.instance_type;
  spec.subnet_id = candidate.subnet_id;
  spec.private_ip = candidate.private_ip;
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
  for (const DrCopyDisk& disk : copy.disks) spec.volumes_bytes += disk.size_bytes;
  spec.tags = settings.tags;
  return spec;
}

}  // namespace rekindle
