// AwsSite: what the account offers, and what of ours it holds.
#include <algorithm>
#include <set>
#include <tuple>

#include "aws/account_quotas.h"
#include "aws/aws_site.h"
#include "aws/kms_key.h"

namespace rekindle {

namespace {

// General, computing and memory types that every region has, burstable first: of equals the first is taken.
const std::vector<std::string> proposed_families = {"t3.*", "m6i.*", "c6i.*", "r6i.*"};

std::optional<ResourceKind> kind_of(std::string_view resource_type) {
  if (resource_type == "instance") return ResourceKind::instance;
  if (resource_type == "image") return ResourceKind::machine_template;
  if (resource_type == "snapshot") return ResourceKind::image;
  if (resource_type == "volume") return ResourceKind::volume;
  return std::nullopt;
}

// A terminated instance stays described for an hour; when DescribeTags ceases to list its tags, AWS does not
// promise.
Result<> drop_terminated(Ec2Client& ec2, std::vector<OwnedObject>& objects) {
  std::vector<OwnedObject> live;
  for (OwnedObject& object : objects) {
    if (object.kind == ResourceKind::instance) {
      const auto found = ec2.instances({.ids = {InstanceId(object.id)}, .tags = {}});
      const bool gone = found.ok() ? found->empty() || found->front().state == "terminated"
                                   : found.error().code() == ErrorCode::not_found;
      if (!found.ok() && !gone) return found.error();
      if (gone) continue;
    }
    live.push_back(std::move(object));
  }
  objects = std::move(live);
  return {};
}

}  // namespace

Result<Ec2Subnet> AwsSite::describe_subnet(const std::string& subnet_id) {
  auto found = TRY(ec2_->subnets({subnet_id}), "subnet '{}' of the DR plan", subnet_id);
  if (found.empty()) {
    return error(ErrorCode::invalid_argument, "subnet '{}' of the DR plan does not exist in region {}",
                 subnet_id, options_.region);
  }
  return std::move(found.front());
}

Result<InstanceSize> AwsSite::size_of_type(const std::string& instance_type) {
  const auto types = TRY(ec2_->types_named({instance_type}));
  if (types.empty()) return error(ErrorCode::not_found, "AWS knows no instance type '{}'", instance_type);
  return InstanceSize{types.front().vcpus, types.front().memory_mib};
}

Result<Subnet> AwsSite::subnet(const std::string& subnet_id) {
  const Ec2Subnet found = TRY(describe_subnet(subnet_id));
  return Subnet{found.cidr, static_cast<std::uint64_t>(found.free_addresses)};
}

Result<std::string> AwsSite::propose_instance_type(int vcpus, std::uint64_t memory_mib,
                                                   const std::string& subnet_id) {
  const Ec2Subnet subnet = TRY(describe_subnet(subnet_id));
  auto types = TRY(ec2_->instance_types(proposed_families));
  std::erase_if(
      types, [&](const Ec2InstanceType& type) { return type.vcpus < vcpus || type.memory_mib < memory_mib; });
  const auto family = [](const Ec2InstanceType& type) {
    const std::string pattern = type.name.substr(0, type.name.find('.')) + ".*";
    return std::find(proposed_families.begin(), proposed_families.end(), pattern) - proposed_families.begin();
  };
  std::sort(types.begin(), types.end(), [&](const Ec2InstanceType& a, const Ec2InstanceType& b) {
    return std::tuple(a.memory_mib, a.vcpus, family(a)) < std::tuple(b.memory_mib, b.vcpus, family(b));
  });
  for (const Ec2InstanceType& type : types) {
    const auto zones = TRY(ec2_->zones_offering(type.name));
    if (std::find(zones.begin(), zones.end(), subnet.availability_zone) != zones.end()) return type.name;
  }
  return error(ErrorCode::exhausted,
               "no instance type of {} with {} vCPUs and {} is offered in zone {}; set one in the DR plan",
               fmt::join(proposed_families, ", "), vcpus, human_bytes(memory_mib * mib),
               subnet.availability_zone);
}

Result<Unproven> AwsSite::check_quotas(const std::vector<LaunchSpec>& specs) {
  return check_account_quotas(*quotas_, *ec2_, specs);
}

Result<Unproven> AwsSite::check_key(const std::string& kms_key) {
  return try_kms_key(*kms_, kms_key);
}

Result<bool> AwsSite::encrypts_by_default() {
  return ec2_->encrypts_by_default();
}

Result<std::vector<OwnedObject>> AwsSite::owned_objects() {
  std::set<std::string> ours;
  const auto marked_ones = TRY(ec2_->tagged(installation_tag));
  for (const Ec2Tagged& one : marked_ones) {
    if (one.value == options_.installation) ours.insert(one.resource_id);
  }
  const auto tagged = TRY(ec2_->tagged(token_tag));
  std::vector<OwnedObject> objects;
  for (const Ec2Tagged& one : tagged) {
    const auto kind = kind_of(one.resource_type);
    if (kind && ours.contains(one.resource_id))
      objects.push_back({*kind, one.resource_id, one.value, {{token_tag, one.value}}});
  }
  TRY(drop_terminated(*ec2_, objects));
  return objects;
}

Result<> AwsSite::remove_object(const OwnedObject& object) {
  switch (object.kind) {
    case ResourceKind::instance:
      return terminate(InstanceId(object.id));
    case ResourceKind::machine_template:
      return remove_template(TemplateId(object.id));
    case ResourceKind::image:
      return remove_image(ImageId(object.id));
    case ResourceKind::volume:
      return remove_volume(VolumeId(object.id));
    case ResourceKind::machine_snapshot:
    case ResourceKind::instance_snapshot:
    case ResourceKind::restored_machine:
      break;
  }
  return error(ErrorCode::internal, "AWS has no {}", object.id);
}

}  // namespace rekindle
