// Which resources each call of EC2 is about.
#include <algorithm>

#include "sandbox/region/access_requests.h"

namespace rekindle::sandbox {

namespace {

// The type in an ARN, by the beginning of the id.
std::string_view type_of(std::string_view id) {
  struct Kind {
    std::string_view prefix, type;
  };
  static constexpr Kind kinds[] = {
      {"i-", "instance"}, {"vol-", "volume"},          {"snap-", "snapshot"},
      {"ami-", "image"},  {"subnet-", "subnet"},       {"sg-", "security-group"},
      {"vpc-", "vpc"},    {"eipalloc-", "elastic-ip"}, {"eni-", "network-interface"}};
  const auto* kind = std::find_if(std::begin(kinds), std::end(kinds),
                                  [&](const Kind& one) { return id.starts_with(one.prefix); });
  return kind == std::end(kinds) ? "unknown" : kind->type;
}

// Collects what one call asks for.
class Asking {
 public:
  Asking(const AccessWorld& the_world, std::string action, const Parameters& parameters)
      : world(the_world), in(parameters), action_(std::move(action)) {}

  AccessRequest& on(const std::string& id) {
    AccessRequest& asked = ask(type_of(id), id);
    add_resource_tags(asked.context, tags_of(world, id));
    return asked;
  }
  void on_all(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) on(id);
  }
  // What is asked for by its parameter, if it is there: its absence is for the call to refuse.
  void on_named(const std::string& parameter) {
    if (in.has(parameter)) on(in.text(parameter));
  }
  // Made by the call, with the tags of its specification.
  Outcome<> on_new(std::string_view type) {
    const Tags tags = TRY(tags_on_create(in, type));
    add_request_tags(ask(type, "*").context, tags);
    if (tags.empty()) return {};
    AccessRequest tagging{"ec2:CreateTags", ec2_arn(world.options, type, "*")};
    add_request_tags(tagging.context, tags);
    tagging.context["ec2:CreateAction"] = {action_};
    asked_.push_back(std::move(tagging));
    return {};
  }
  AccessRequest& ask(std::string_view type, std::string_view name) {
    return asked_.emplace_back(AccessRequest{"ec2:" + action_, ec2_arn(world.options, type, name)});
  }
  void on_nothing_named() { asked_.push_back({"ec2:" + action_, "*"}); }
  void add(AccessRequest request) { asked_.push_back(std::move(request)); }
  std::vector<AccessRequest> take() { return std::move(asked_); }

  const AccessWorld& world;
  const Parameters& in;

 private:
  const std::string action_;
  std::vector<AccessRequest> asked_;
};

// A profile that the region was not told of: as the console makes them, with a role of the same name.
void pass_role(Asking& asking) {
  const Parameters given = asking.in.under("IamInstanceProfile");
  const std::string profile = given.text("Arn", given.text("Name"));
  if (profile.empty()) return;
  const std::string name = profile.substr(profile.rfind('/') + 1);
  const auto known = asking.world.account.find_profile(name);
  const std::string role = known ? known->role : name;
  if (role.empty()) return;
  AccessRequest passing{"iam:PassRole",
                        fmt::format("arn:aws:iam::{}:role/{}", asking.world.options.account_id, role)};
  passing.context["iam:PassedToService"] = {"ec2.amazonaws.com"};
  asking.add(std::move(passing));
}

// Named, or the default one of the subnet's VPC.
std::vector<std::string> groups_of(const Asking& asking, const std::vector<std::string>& subnets,
                                   std::vector<std::string> named) {
  if (!named.empty() || subnets.empty()) return named;
  const auto subnet = asking.world.state.find<Subnet>(subnets.front());
  for (const auto& [id, group] : asking.world.state.all<SecurityGroup>()) {
    if (subnet && group.vpc_id == subnet->vpc_id && group.name == "default") named.push_back(id);
  }
  return named;
}

Outcome<> run_instances(Asking& asking) {
  const Parameters& in = asking.in;
  std::vector<std::string> subnets =
      in.has("SubnetId") ? std::vector{in.text("SubnetId")} : std::vector<std::string>();
  std::vector<std::string> groups = in.list("SecurityGroupId");
  for (const Parameters& interface : in.structures("NetworkInterface")) {
    if (interface.has("SubnetId")) subnets.push_back(interface.text("SubnetId"));
    const auto more = interface.list("SecurityGroupId");
    groups.insert(groups.end(), more.begin(), more.end());
  }
  asking.on_named("ImageId");
  asking.on_all(subnets);
  asking.on_all(groups_of(asking, subnets, std::move(groups)));
  for (const char* made : {"instance", "volume", "network-interface"}) TRY(asking.on_new(made));
  const auto devices = TRY(device_mappings(in));
  for (const DeviceMapping& device : devices) {
    if (!device.snapshot_id.empty()) asking.on(device.snapshot_id);
  }
  if (in.has("KeyName")) asking.ask("key-pair", in.text("KeyName"));
  pass_role(asking);
  return {};
}

Outcome<> create_volume(Asking& asking) {
  asking.on_named("SnapshotId");
  return asking.on_new("volume");
}

Outcome<> create_snapshot(Asking& asking) {
  asking.on_named("VolumeId");
  return asking.on_new("snapshot");
}

Outcome<> create_snapshots(Asking& asking) {
  const Parameters specified = asking.in.under("InstanceSpecification");
  const std::string instance = specified.text("InstanceId");
  const auto excluded = specified.list("ExcludeDataVolumeId");
  asking.on_named("InstanceSpecification.InstanceId");
  for (const auto& [id, volume] : asking.world.state.all<Volume>()) {
    const bool wanted = std::find(excluded.begin(), excluded.end(), id) == excluded.end();
    if (wanted && volume.attached() && volume.attachment.instance_id == instance) asking.on(id);
  }
  return asking.on_new("snapshot");
}

Outcome<> register_image(Asking& asking) {
  const auto devices = TRY(device_mappings(asking.in));
  for (const DeviceMapping& device : devices) {
    if (!device.snapshot_id.empty()) asking.on(device.snapshot_id);
  }
  return asking.on_new("image");
}

Outcome<> change_tags(Asking& asking) {
  Tags tags;  // of DeleteTags the values may be absent
  for (const Parameters& tag : asking.in.structures("Tag")) tags[tag.text("Key")] = tag.text("Value");
  for (const std::string& id : asking.in.list("ResourceId")) add_request_tags(asking.on(id).context, tags);
  return {};
}

Outcome<> of_attachment(Asking& asking) {
  const std::string id = asking.in.text("VolumeId");
  const auto volume = asking.world.state.find<Volume>(id);
  const std::string holder = volume ? volume->attachment.instance_id : "";
  const std::string instance = asking.in.text("InstanceId", holder);
  asking.on(id);
  if (!instance.empty()) asking.on(instance);
  return {};
}

Outcome<> of_association(Asking& asking) {
  asking.on_named("AllocationId");
  asking.on_named("InstanceId");
  for (const auto& [id, address] : asking.world.state.all<ElasticAddress>()) {
    if (asking.in.has("AssociationId") && address.association_id == asking.in.text("AssociationId"))
      asking.on(id);
  }
  return {};
}

Outcome<> of_instances(Asking& asking) {
  asking.on_all(asking.in.list("InstanceId"));
  return {};
}

// Of an association the instance's number is told.
Outcome<> of_profile(Asking& asking) {
  const std::string association = asking.in.text("AssociationId");
  if (const auto number = association.rfind('-'); number != std::string::npos)
    asking.on("i" + association.substr(number));
  asking.on_named("InstanceId");
  pass_role(asking);
  return {};
}

Outcome<> of_credits(Asking& asking) {
  for (const Parameters& one : asking.in.structures("InstanceCreditSpecification"))
    asking.on(one.text("InstanceId"));
  return {};
}

Outcome<> allocate_address(Asking& asking) {
  return asking.on_new("elastic-ip");
}

struct Row {
  std::string_view action;
  Outcome<> (*ask)(Asking& asking);  // null: it is about what the parameter names
  const char* parameter = nullptr;
};

constexpr Row rows[] = {
    {"RunInstances", run_instances},
    {"StartInstances", of_instances},
    {"StopInstances", of_instances},
    {"RebootInstances", of_instances},
    {"TerminateInstances", of_instances},
    {"GetConsoleOutput", nullptr, "InstanceId"},
    {"DescribeInstanceAttribute", nullptr, "InstanceId"},
    {"ModifyInstanceAttribute", nullptr, "InstanceId"},
    {"ModifyInstanceMetadataOptions", nullptr, "InstanceId"},
    {"ModifyInstanceCreditSpecification", of_credits},
    {"ModifyNetworkInterfaceAttribute", nullptr, "NetworkInterfaceId"},
    {"MonitorInstances", of_instances},
    {"UnmonitorInstances", of_instances},
    {"AssociateIamInstanceProfile", of_profile},
    {"ReplaceIamInstanceProfileAssociation", of_profile},
    {"DisassociateIamInstanceProfile", of_profile},
    {"ModifyImageAttribute", nullptr, "ImageId"},
    {"CreateVolume", create_volume},
    {"DeleteVolume", nullptr, "VolumeId"},
    {"AttachVolume", of_attachment},
    {"DetachVolume", of_attachment},
    {"CreateSnapshot", create_snapshot},
    {"CreateSnapshots", create_snapshots},
    {"DeleteSnapshot", nullptr, "SnapshotId"},
    {"RegisterImage", register_image},
    {"DeregisterImage", nullptr, "ImageId"},
    {"CreateTags", change_tags},
    {"DeleteTags", change_tags},
    {"AllocateAddress", allocate_address},
    {"AssociateAddress", of_association},
    {"DisassociateAddress", of_association},
    {"ReleaseAddress", of_association},
};

}  // namespace

Tags tags_of(const AccessWorld& world, const std::string& id) {
  const State& state = world.state;
  Tags tags;
  const auto look = [&]<typename T>(const Table<T>& table) {
    const auto row = table.find(id);
    if (row != table.end() && row->second.created_ms <= world.visible_until_ms) tags = row->second.tags;
  };
  look(state.all<Vpc>());
  look(state.all<Subnet>());
  look(state.all<SecurityGroup>());
  look(state.all<Volume>());
  look(state.all<Snapshot>());
  look(state.all<Image>());
  look(state.all<Instance>());
  look(state.all<ElasticAddress>());
  const auto instance = state.find<Instance>(id);
  if (instance && instance->state == "terminated") tags.clear();
  return tags;
}

Outcome<std::vector<AccessRequest>> access_of_ec2(const AccessWorld& world, const std::string& action,
                                                  const Parameters& in) {
  Asking asking(world, action, in);
  const Row* row =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& one) { return one.action == action; });
  if (row != std::end(rows) && row->ask == nullptr) {
    asking.on_named(row->parameter);
  } else if (row != std::end(rows)) {
    TRY(row->ask(asking));
  } else if (action.starts_with("Describe") || action == "GetEbsEncryptionByDefault") {
    asking.on_nothing_named();  // all of those that the region has, but the attributes of one thing
  } else {
    return Refusal{"UnauthorizedOperation",
                   fmt::format("The local region does not know which resources ec2:{} is about, so that no "
                               "policy can be judged: add it to sandbox/region/ec2_access.cc",
                               action),
                   403};
  }
  return asking.take();
}

}  // namespace rekindle::sandbox
