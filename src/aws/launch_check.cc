#include "aws/launch_check.h"

#include <algorithm>

#include "aws/instance_profile.h"
#include "aws/kms_key.h"
#include "base/ipv4.h"
#include "site/refusal.h"

namespace rekindle {

namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string in_zone(const LaunchPlace& place) {
  return place.availability_zone.empty() ? "the subnet's zone" : "zone " + place.availability_zone;
}

Error no_such_type(const LaunchSpec& spec, const LaunchPlace& place) {
  return error(ErrorCode::invalid_argument,
               "instance type '{}' does not exist or is not offered in {}; list the types with `aws ec2 "
               "describe-instance-type-offerings --location-type availability-zone --region {}` and set one "
               "in the DR plan",
               spec.instance_type, in_zone(place), place.region);
}

Error no_such_subnet(const LaunchSpec& spec, const LaunchPlace& place) {
  return error(
      ErrorCode::invalid_argument,
      "subnet '{}' does not exist in region {}; list the subnets with `aws ec2 describe-subnets --region {}` "
      "and set one in the DR plan",
      spec.subnet_id, place.region, place.region);
}

Error no_such_group(const LaunchSpec& spec, const LaunchPlace& place) {
  return error(ErrorCode::invalid_argument,
               "one of the security groups {} does not exist in region {} or is not of the subnet's VPC; "
               "list them with "
               "`aws ec2 describe-security-groups --region {}` and correct the DR plan",
               joined(spec.security_group_ids), place.region, place.region);
}

Error no_free_address(const LaunchSpec& spec) {
  return error(
      ErrorCode::exhausted,
      "subnet '{}' has no free address; free one, or set a larger subnet of the same VPC in the DR plan",
      spec.subnet_id);
}

Error address_taken(const LaunchSpec& spec, std::string_view holder) {
  return error(
      ErrorCode::failed_precondition,
      "the private address {} is taken in subnet '{}'{}; free it ('rekindle failover list' shows whether a "
      "failover has it), or set another one, or none, in the DR plan",
      spec.private_ip, spec.subnet_id, holder);
}

Error no_capacity(const LaunchSpec& spec, const LaunchPlace& place) {
  return error(
      ErrorCode::exhausted,
      "AWS has no capacity for instance type {} in {} now; set another type, or a subnet in another zone, in "
      "the DR plan, or reserve capacity before the disaster",
      spec.instance_type, in_zone(place));
}

// As without capacity: another type, or a subnet in another zone, is the way out.
Error not_offered_there(const LaunchSpec& spec, const LaunchPlace& place) {
  return error(
      ErrorCode::exhausted,
      "instance type '{}' is not offered in {}; set another type, or a subnet in another zone, in the "
      "DR plan (the zones are listed by `aws ec2 describe-instance-type-offerings --location-type "
      "availability-zone --filters Name=instance-type,Values={} --region {}`)",
      spec.instance_type, in_zone(place), spec.instance_type, place.region);
}

bool is_about_type(const AwsFault& fault) {
  if (fault.code == "InvalidInstanceType" || fault.code == "Unsupported") return true;
  const bool parameter = fault.code == "InvalidParameterValue" || fault.code == "InvalidParameterCombination";
  return parameter && (contains(fault.message, "instance type") || contains(fault.message, "InstanceType") ||
                       contains(fault.message, "instanceType"));
}

// Not allowed to look, or not offered by the endpoint.
bool cannot_look(const Error& error) {
  return error.code() == ErrorCode::permission_denied || error.code() == ErrorCode::internal;
}

Result<> check_type(Ec2Client& ec2, const LaunchSpec& spec, const LaunchPlace& place, Unproven& unproven) {
  const auto zones = ec2.zones_offering(spec.instance_type);
  if (!zones.ok()) {
    if (!cannot_look(zones.error())) return zones.error();
    unproven.push_back(fmt::format("whether instance type {} is offered in {} was not asked: {}",
                                   spec.instance_type, in_zone(place), zones.error().message()));
    return {};
  }
  if (std::find(zones->begin(), zones->end(), place.availability_zone) != zones->end()) return {};
  if (zones->empty() || place.availability_zone.empty()) {
    return zones->empty() ? Result<>(no_such_type(spec, place)) : Result<>();
  }
  return error(ErrorCode::exhausted,
               "instance type '{}' is not offered in zone {} of subnet '{}', only in {}; set another type or "
               "a subnet in "
               "one of these zones in the DR plan",
               spec.instance_type, place.availability_zone, spec.subnet_id, joined(*zones));
}

Result<> check_groups(Ec2Client& ec2, const LaunchSpec& spec, const LaunchPlace& place,
                      const std::string& vpc_id, Unproven& unproven) {
  if (spec.security_group_ids.empty()) return {};
  const auto groups = ec2.security_groups(spec.security_group_ids);
  if (!groups.ok()) {
    const ErrorCode code = groups.error().code();
    if (code == ErrorCode::not_found || code == ErrorCode::invalid_argument)
      return no_such_group(spec, place);
    if (!cannot_look(groups.error())) return groups.error();
    unproven.push_back(fmt::format("whether the security groups {} fit the subnet was not asked: {}",
                                   joined(spec.security_group_ids), groups.error().message()));
    return {};
  }
  if (groups->size() < spec.security_group_ids.size()) return no_such_group(spec, place);
  for (const Ec2SecurityGroup& group : *groups) {
    if (group.vpc_id == vpc_id) continue;
    return error(ErrorCode::invalid_argument,
                 "security group '{}' belongs to VPC {}, subnet '{}' to VPC {}; set a group of the subnet's "
                 "VPC in the DR "
                 "plan",
                 group.id, group.vpc_id, spec.subnet_id, vpc_id);
  }
  return {};
}

Result<> check_free_address(Ec2Client& ec2, const LaunchSpec& spec, const Ec2Subnet& subnet,
                            Unproven& unproven) {
  if (spec.private_ip.empty()) return subnet.free_addresses > 0 ? Result<>() : no_free_address(spec);
  TRY(check_address(spec.private_ip, spec.subnet_id, subnet.cidr));
  const auto holder = ec2.holder_of_address(spec.subnet_id, spec.private_ip);
  if (!holder.ok()) {
    if (!cannot_look(holder.error())) return holder.error();
    unproven.push_back(fmt::format("whether the private address {} is free was not asked: {}",
                                   spec.private_ip, holder.error().message()));
    return {};
  }
  return holder->empty() ? Result<>() : address_taken(spec, fmt::format(" by network interface {}", *holder));
}

Result<> check_elastic_address(Ec2Client& ec2, const LaunchSpec& spec, Unproven& unproven) {
  if (spec.elastic_ip.empty()) return {};
  const auto there = ec2.has_address(spec.elastic_ip);
  if (!there.ok()) {
    if (!cannot_look(there.error())) return there.error();
    unproven.push_back(fmt::format("whether the account has the Elastic IP {} was not asked: {}",
                                   spec.elastic_ip, there.error().message()));
    return {};
  }
  if (*there) return {};
  return error(
      ErrorCode::invalid_argument,
      "the account has no Elastic IP '{}' in this region; list them with `aws ec2 describe-addresses` "
      "and set one in the DR plan",
      spec.elastic_ip);
}

}  // namespace

Result<> check_address(const std::string& private_ip, const std::string& subnet_id, const std::string& cidr) {
  const auto range = parse_ipv4_range(cidr);
  const auto address = parse_ipv4(private_ip);
  if (!address)
    return error(ErrorCode::invalid_argument,
                 "the private address '{}' is not an IPv4 address like 10.0.1.20; set another one, or none, "
                 "in the DR plan",
                 private_ip);
  if (!range || range->bits > 30) {
    return error(ErrorCode::internal, "AWS gave '{}' as the range of subnet '{}'", cidr, subnet_id);
  }
  const std::uint32_t host = *address - range->network;
  if (*address < range->network || host >= range->size()) {
    return error(ErrorCode::invalid_argument,
                 "the private address {} is not in the range {} of subnet '{}'; set one that is, or none, in "
                 "the DR plan",
                 private_ip, cidr, subnet_id);
  }
  if (host < 4 || host == range->size() - 1) {
    return error(ErrorCode::invalid_argument,
                 "the private address {} is one of those that AWS keeps for itself in {}, the first four and "
                 "the last; set "
                 "another one, or none, in the DR plan",
                 private_ip, cidr);
  }
  return {};
}

namespace {

Error explain(const AwsFault& fault, const LaunchSpec& spec, const LaunchPlace& place,
              const ServiceClient& service) {
  const std::string_view code = fault.code;
  if (code.starts_with("InvalidSubnetID")) return no_such_subnet(spec, place);
  if (code.starts_with("InvalidGroup") || code.starts_with("InvalidSecurityGroupID"))
    return no_such_group(spec, place);
  if (code == "InsufficientFreeAddressesInSubnet") return no_free_address(spec);
  if (code == "InvalidIPAddress.InUse") return address_taken(spec, "");
  if (code.starts_with("Insufficient") && code.find("Capacity") != std::string_view::npos)
    return no_capacity(spec, place);
  if (code == "Unsupported" && contains(fault.message, "Availability Zone"))
    return not_offered_there(spec, place);
  if (is_about_type(fault)) return no_such_type(spec, place);
  return service.error_of(fault, "RunInstances");
}

}  // namespace

Error explain_launch_fault(const AwsFault& fault, const LaunchSpec& spec, const LaunchPlace& place,
                           const ServiceClient& service) {
  Error said = explain(fault, spec, place, service);
  return fault.after_lost_attempt ? after_lost_attempt(std::move(said)) : said;
}

Result<SettingsCheck> check_launch_settings(const LaunchAdvisers& advisers, const LaunchSpec& spec) {
  Ec2Client& ec2 = advisers.ec2;
  SettingsCheck checked{{ec2.service().options().region, ""}, {}};
  LaunchPlace& place = checked.place;
  Unproven& unproven = checked.unproven;
  if (spec.subnet_id.empty()) {
    return error(ErrorCode::invalid_argument,
                 "the DR plan names no subnet; list the subnets with `aws ec2 "
                 "describe-subnets --region {}` and set one",
                 place.region);
  }
  const auto subnets = ec2.subnets({spec.subnet_id});
  if (!subnets.ok()) {
    const ErrorCode code = subnets.error().code();
    if (code == ErrorCode::not_found || code == ErrorCode::invalid_argument)
      return no_such_subnet(spec, place);
    return subnets.error();
  }
  if (subnets->empty()) return no_such_subnet(spec, place);
  const Ec2Subnet& subnet = subnets->front();
  place.availability_zone = subnet.availability_zone;
  TRY(check_type(ec2, spec, place, unproven));
  TRY(check_groups(ec2, spec, place, subnet.vpc_id, unproven));
  TRY(check_free_address(ec2, spec, subnet, unproven));
  TRY(check_elastic_address(ec2, spec, unproven));
  const auto add = [&](const Unproven& more) { unproven.insert(unproven.end(), more.begin(), more.end()); };
  if (!spec.volumes.kms_key.empty()) {
    const Unproven of_key = TRY(check_kms_key(advisers.kms, spec.volumes.kms_key));
    add(of_key);
  }
  if (!spec.instance_profile.empty()) {
    const Unproven of_profile = TRY(check_instance_profile(advisers.iam, spec.instance_profile));
    add(of_profile);
  }
  return checked;
}

}  // namespace rekindle
