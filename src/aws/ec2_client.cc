#include "aws/ec2_client.h"

#include <algorithm>

#include "base/bytes.h"

namespace rekindle {

namespace {

template <typename IdType>
std::vector<std::string> texts(const std::vector<IdType>& ids) {
  std::vector<std::string> result;
  result.reserve(ids.size());
  for (const IdType& id : ids) result.push_back(id.str());
  return result;
}

// By ids, or by tags in pages: MaxResults beside ids is refused by AWS.
template <typename IdType>
void select(QueryForm& form, std::string_view id_name, const Ec2Selection<IdType>& which) {
  CHECK(which.ids.empty() != which.tags.empty());
  form.list(id_name, texts(which.ids));
  form.tag_filters(which.tags);
  if (which.ids.empty()) form.set("MaxResults", "1000");
}

template <typename T>
Result<> read_items(const QueryElement& parent, std::string_view set, Result<T> (*read)(const QueryElement&),
                    std::vector<T>& into) {
  for (const QueryElement& item : parent.items(set)) {
    T value = TRY(read(item));
    into.push_back(std::move(value));
  }
  return {};
}

template <typename T>
Result<std::vector<T>> describe(QueryClient& query, const QueryForm& form, std::string_view set,
                                Result<T> (*read)(const QueryElement&)) {
  std::vector<T> found;
  TRY(query.pages(form, [&](const QueryElement& root) { return read_items(root, set, read, found); }));
  return found;
}

// A describe by ids, which has no pages and may be too early.
template <typename T>
Result<std::vector<T>> describe_ids(QueryClient& query, const QueryForm& form, std::string_view set,
                                    Result<T> (*read)(const QueryElement&),
                                    std::chrono::milliseconds settle_for) {
  const QueryAnswer answer = TRY(query.call(form, {.settle_for = settle_for}));
  std::vector<T> found;
  TRY(read_items(answer.root(), set, read, found), "{}", form.action());
  return found;
}

// A public address can be asked for only in the form of a network interface.
void place(QueryForm& form, const RunInstancesRequest& request) {
  const std::string nic = request.public_address ? "NetworkInterface.1." : "";
  form.set_if(nic + "SubnetId", request.subnet_id).set_if(nic + "PrivateIpAddress", request.private_ip);
  form.list(nic + "SecurityGroupId", request.security_group_ids);
  if (!request.public_address) return;
  form.set(nic + "DeviceIndex", "0").flag(nic + "DeleteOnTermination", true);
  form.flag(nic + "AssociatePublicIpAddress", *request.public_address);
}

void set_device(QueryForm& form, const std::string& prefix, const RunInstancesRequest::Device& device) {
  const VolumeSettings& volume = device.volume;
  form.set(prefix + ".DeviceName", device.name).set_if(prefix + ".Ebs.VolumeType", volume.type);
  if (volume.iops > 0) form.set(prefix + ".Ebs.Iops", std::to_string(volume.iops));
  if (volume.throughput > 0) form.set(prefix + ".Ebs.Throughput", std::to_string(volume.throughput));
  // EC2 refuses "false": an image that is encrypted makes encrypted volumes.
  if (volume.encrypted == true || !volume.kms_key.empty()) form.flag(prefix + ".Ebs.Encrypted", true);
  form.set_if(prefix + ".Ebs.KmsKeyId", volume.kms_key).flag(prefix + ".Ebs.DeleteOnTermination", true);
}

QueryForm run_instances_form(const RunInstancesRequest& request) {
  QueryForm form("RunInstances");
  form.set("ImageId", request.image.str()).set("MinCount", "1").set("MaxCount", "1");
  form.set_if("InstanceType", request.instance_type).set_if("ClientToken", request.client_token);
  place(form, request);
  const bool is_arn = request.instance_profile.starts_with("arn:");
  form.set_if(is_arn ? "IamInstanceProfile.Arn" : "IamInstanceProfile.Name", request.instance_profile);
  form.set_if("UserData", to_base64(as_bytes(request.user_data)));
  int number = 0;
  for (const auto& device : request.devices)
    set_device(form, fmt::format("BlockDeviceMapping.{}", ++number), device);
  for (const char* resource : {"instance", "volume", "network-interface"})
    form.tags_of(resource, request.tags);
  return form;
}

}  // namespace

Result<std::vector<Ec2Snapshot>> Ec2Client::snapshots(const Ec2Selection<ImageId>& which,
                                                      std::chrono::milliseconds settle_for) {
  QueryForm form("DescribeSnapshots");
  select(form, "SnapshotId", which);
  if (!which.ids.empty()) return describe_ids(*query_, form, "snapshotSet", read_snapshot, settle_for);
  form.list("Owner", {"self"});
  return describe(*query_, form, "snapshotSet", read_snapshot);
}

Result<Ec2Snapshot> Ec2Client::create_snapshot(const VolumeId& volume, const std::string& description,
                                               const Ec2Tags& tags) {
  QueryForm form("CreateSnapshot");
  form.set("VolumeId", volume.str()).set_if("Description", description).tags_of("snapshot", tags);
  const QueryAnswer answer = TRY(query_->call(form, {.repeatable = false, .makes = true}));
  return read_snapshot(answer.root());
}

Result<std::vector<Ec2Snapshot>> Ec2Client::create_snapshots(const InstanceId& instance,
                                                             const std::string& description,
                                                             const Ec2Tags& tags) {
  QueryForm form("CreateSnapshots");
  form.set("InstanceSpecification.InstanceId", instance.str()).set_if("Description", description);
  form.tags_of("snapshot", tags);
  const QueryAnswer answer = TRY(query_->call(form, {.repeatable = false, .makes = true}));
  std::vector<Ec2Snapshot> made;
  for (const QueryElement& item : answer.root().items("snapshotSet")) {
    Ec2Snapshot snapshot;  // less than DescribeSnapshots tells; the state it calls "state"
    std::string id = TRY(item.required("snapshotId"), "CreateSnapshots");
    snapshot.id = ImageId(std::move(id));
    snapshot.volume = VolumeId(item.text("volumeId"));
    snapshot.state = "pending";
    made.push_back(std::move(snapshot));
  }
  return made;
}

Result<> Ec2Client::delete_snapshot(const ImageId& id, std::chrono::milliseconds settle_for) {
  QueryForm form("DeleteSnapshot");
  form.set("SnapshotId", id.str());
  TRY(query_->call(form, {.settle_for = settle_for, .removes = true}));
  return {};
}

Result<std::vector<Ec2Image>> Ec2Client::images(const Ec2Selection<TemplateId>& which,
                                                std::chrono::milliseconds settle_for) {
  QueryForm form("DescribeImages");
  select(form, "ImageId", which);
  if (!which.ids.empty()) return describe_ids(*query_, form, "imagesSet", read_image, settle_for);
  form.list("Owner", {"self"});
  return describe(*query_, form, "imagesSet", read_image);
}

Result<std::vector<Ec2Image>> Ec2Client::images_named(const std::string& name) {
  QueryForm form("DescribeImages");
  form.list("Owner", {"self"}).filter("name", {name}).set("MaxResults", "1000");
  return describe(*query_, form, "imagesSet", read_image);
}

Result<std::vector<Ec2Image>> Ec2Client::public_images(const std::string& name_pattern) {
  QueryForm form("DescribeImages");
  form.list("Owner", {"amazon"}).patterns("name", {name_pattern}).filter("state", {"available"});
  form.filter("architecture", {"x86_64"}).set("MaxResults", "1000");
  return describe(*query_, form, "imagesSet", read_image);
}

Result<TemplateId> Ec2Client::register_image(const RegisterImageRequest& request, bool dry_run) {
  CHECK(!request.devices.empty());
  QueryForm form("RegisterImage");
  // Without Architecture AWS takes i386. ENA must be declared, or no current instance type accepts the image.
  form.set("Name", request.name).set_if("Description", request.description);
  form.set("Architecture", "x86_64").set("VirtualizationType", "hvm").flag("EnaSupport", true);
  form.set("BootMode", request.uefi ? "uefi" : "legacy-bios")
      .set("RootDeviceName", request.devices.front().name);
  int number = 0;
  for (const auto& device : request.devices) {
    const std::string prefix = fmt::format("BlockDeviceMapping.{}", ++number);
    form.set(prefix + ".DeviceName", device.name).set(prefix + ".Ebs.SnapshotId", device.snapshot.str());
    form.set(prefix + ".Ebs.VolumeType", "gp3").flag(prefix + ".Ebs.DeleteOnTermination", true);
  }
  form.tags_of("image", request.tags);
  if (dry_run) {
    form.flag("DryRun", true);
    const auto reply = TRY(query_->send(form));
    const auto* fault = std::get_if<AwsFault>(&reply);
    if (fault == nullptr || fault->code == "DryRunOperation") return TemplateId();
    return service().error_of(*fault, form.action());
  }
  const QueryAnswer answer = TRY(query_->call(form, {.makes = true}));
  std::string id = TRY(answer.root().required("imageId"), "RegisterImage");
  return TemplateId(std::move(id));
}

Result<> Ec2Client::deregister_image(const TemplateId& id, std::chrono::milliseconds settle_for) {
  QueryForm form("DeregisterImage");
  form.set("ImageId", id.str());
  TRY(query_->call(form, {.settle_for = settle_for, .removes = true}));
  return {};
}

Result<std::variant<Ec2Instance, AwsFault>> Ec2Client::run_instance(const RunInstancesRequest& request,
                                                                    bool dry_run) {
  using Outcome = std::variant<Ec2Instance, AwsFault>;
  QueryForm form = run_instances_form(request);
  if (dry_run) form.flag("DryRun", true);
  auto reply = TRY(query_->send(form, {.makes = !dry_run}));
  if (auto* fault = std::get_if<AwsFault>(&reply)) {
    if (dry_run && fault->code == "DryRunOperation") return Outcome(Ec2Instance());
    return Outcome(std::move(*fault));
  }
  std::vector<Ec2Instance> started;
  TRY(read_items(std::get<QueryAnswer>(reply).root(), "instancesSet", read_instance, started),
      "RunInstances");
  if (started.size() != 1) {
    return error(ErrorCode::internal, "RunInstances: AWS answered {} instances, asked for 1", started.size());
  }
  return Outcome(std::move(started.front()));
}

Result<std::vector<Ec2Instance>> Ec2Client::instances(const Ec2Selection<InstanceId>& which,
                                                      std::chrono::milliseconds settle_for) {
  QueryForm form("DescribeInstances");
  select(form, "InstanceId", which);
  std::vector<Ec2Instance> found;
  auto read = [&](const QueryElement& root) -> Result<> {
    for (const QueryElement& reservation : root.items("reservationSet")) {
      TRY(read_items(reservation, "instancesSet", read_instance, found), "DescribeInstances");
    }
    return {};
  };
  if (which.ids.empty()) {
    form.filter("instance-state-name", {"pending", "running", "shutting-down", "stopping", "stopped"});
    TRY(query_->pages(form, read));
  } else {
    const QueryAnswer answer = TRY(query_->call(form, {.settle_for = settle_for}));
    TRY(read(answer.root()));
  }
  return found;
}

Result<> Ec2Client::terminate_instance(const InstanceId& id, std::chrono::milliseconds settle_for) {
  QueryForm form("TerminateInstances");
  form.list("InstanceId", {id.str()});
  TRY(query_->call(form, {.settle_for = settle_for, .removes = true}));
  return {};
}

Result<> Ec2Client::stop_instance(const InstanceId& id) {
  QueryForm form("StopInstances");
  form.list("InstanceId", {id.str()});
  TRY(query_->call(form));
  return {};
}

Result<> Ec2Client::start_instance(const InstanceId& id) {
  QueryForm form("StartInstances");
  form.list("InstanceId", {id.str()});
  TRY(query_->call(form));
  return {};
}

Result<bool> Ec2Client::passes_status_checks(const InstanceId& id) {
  QueryForm form("DescribeInstanceStatus");
  form.list("InstanceId", {id.str()});
  const QueryAnswer answer = TRY(query_->call(form));
  for (const QueryElement& item : answer.root().items("instanceStatusSet")) {
    return item.child("systemStatus").text("status") == "ok" &&
           item.child("instanceStatus").text("status") == "ok";
  }
  return false;
}

Result<> Ec2Client::set_source_dest_check(const InstanceId& id, bool check) {
  QueryForm form("ModifyInstanceAttribute");
  form.set("InstanceId", id.str()).flag("SourceDestCheck.Value", check);
  TRY(query_->call(form));
  return {};
}

Result<bool> Ec2Client::has_address(const std::string& allocation_id) {
  QueryForm form("DescribeAddresses");
  form.list("AllocationId", {allocation_id});
  const auto answer = query_->call(form);
  if (answer.ok()) return true;
  const ErrorCode code = answer.error().code();
  if (code == ErrorCode::not_found || code == ErrorCode::invalid_argument) return false;
  return answer.error();
}

Result<> Ec2Client::associate_address(const std::string& allocation_id, const InstanceId& id) {
  QueryForm form("AssociateAddress");
  form.set("AllocationId", allocation_id).set("InstanceId", id.str()).flag("AllowReassociation", true);
  TRY(query_->call(form));
  return {};
}

Result<std::string> Ec2Client::console_output(const InstanceId& id) {
  QueryForm form("GetConsoleOutput");
  form.set("InstanceId", id.str());
  QueryForm newest = form;  // which only instances on Nitro can give; else AWS's copy, of minutes ago
  newest.flag("Latest", true);
  auto reply = TRY(query_->send(newest));
  const auto* fault = std::get_if<AwsFault>(&reply);
  if (fault != nullptr && fault->code == "UnsupportedOperation") reply = TRY(query_->send(form));
  fault = std::get_if<AwsFault>(&reply);
  if (fault != nullptr) return service().error_of(*fault, form.action());
  const QueryAnswer& answer = std::get<QueryAnswer>(reply);
  std::string encoded = answer.root().text("output");
  std::erase_if(encoded, [](char c) { return c == '\n' || c == '\r' || c == ' '; });  // may come in lines
  const Bytes output = TRY(from_base64(encoded), "GetConsoleOutput");
  return std::string(as_text(output));
}

Result<Ec2Volume> Ec2Client::create_volume(const CreateVolumeRequest& request) {
  QueryForm form("CreateVolume");
  form.set("AvailabilityZone", request.availability_zone).set_if("VolumeType", request.volume_type);
  if (request.size_gib > 0) form.set("Size", std::to_string(request.size_gib));
  if (request.snapshot) form.set("SnapshotId", request.snapshot->str());
  if (request.encrypted && !request.snapshot)
    form.flag("Encrypted", true).set_if("KmsKeyId", request.kms_key);
  form.set_if("ClientToken", request.client_token).tags_of("volume", request.tags);
  const QueryAnswer answer =
      TRY(query_->call(form, {.repeatable = !request.client_token.empty(), .makes = true}));
  return read_volume(answer.root());
}

Result<std::vector<Ec2Volume>> Ec2Client::volumes(const Ec2Selection<VolumeId>& which,
                                                  std::chrono::milliseconds settle_for) {
  QueryForm form("DescribeVolumes");
  select(form, "VolumeId", which);
  if (!which.ids.empty()) return describe_ids(*query_, form, "volumeSet", read_volume, settle_for);
  return describe(*query_, form, "volumeSet", read_volume);
}

Result<> Ec2Client::attach_volume(const VolumeId& volume, const InstanceId& instance,
                                  const std::string& device) {
  QueryForm form("AttachVolume");
  form.set("VolumeId", volume.str()).set("InstanceId", instance.str()).set("Device", device);
  TRY(query_->call(form));
  return {};
}

Result<> Ec2Client::detach_volume(const VolumeId& volume, const InstanceId& instance) {
  QueryForm form("DetachVolume");
  form.set("VolumeId", volume.str()).set("InstanceId", instance.str());
  TRY(query_->call(form));
  return {};
}

Result<> Ec2Client::delete_volume(const VolumeId& volume, std::chrono::milliseconds settle_for) {
  QueryForm form("DeleteVolume");
  form.set("VolumeId", volume.str());
  TRY(query_->call(form, {.settle_for = settle_for, .removes = true}));
  return {};
}

Result<> Ec2Client::create_tags(const std::vector<std::string>& resource_ids, const Ec2Tags& tags) {
  QueryForm form("CreateTags");
  form.list("ResourceId", resource_ids);
  int number = 0;
  for (const auto& [key, value] : tags) {
    ++number;
    form.set(fmt::format("Tag.{}.Key", number), key).set(fmt::format("Tag.{}.Value", number), value);
  }
  TRY(query_->call(form));
  return {};
}

Result<std::vector<Ec2Subnet>> Ec2Client::subnets(const std::vector<std::string>& ids) {
  CHECK(!ids.empty());
  QueryForm form("DescribeSubnets");
  form.list("SubnetId", ids);
  return describe(*query_, form, "subnetSet", read_subnet);
}

Result<std::vector<Ec2SecurityGroup>> Ec2Client::security_groups(const std::vector<std::string>& ids) {
  CHECK(!ids.empty());
  QueryForm form("DescribeSecurityGroups");
  form.list("GroupId", ids);
  return describe(*query_, form, "securityGroupInfo", read_security_group);
}

Result<std::vector<std::string>> Ec2Client::zones_offering(const std::string& instance_type) {
  QueryForm form("DescribeInstanceTypeOfferings");
  form.set("LocationType", "availability-zone")
      .filter("instance-type", {instance_type})
      .set("MaxResults", "1000");
  std::vector<std::string> zones;
  TRY(query_->pages(form, [&](const QueryElement& root) -> Result<> {
    for (const QueryElement& offer : root.items("instanceTypeOfferingSet"))
      zones.push_back(offer.text("location"));
    return {};
  }));
  return zones;
}

Result<std::vector<Ec2InstanceType>> Ec2Client::instance_types(const std::vector<std::string>& patterns) {
  QueryForm form("DescribeInstanceTypes");
  form.patterns("instance-type", patterns).filter("current-generation", {"true"});
  form.filter("processor-info.supported-architecture", {"x86_64"}).set("MaxResults", "100");
  return describe(*query_, form, "instanceTypeSet", read_instance_type);
}

Result<std::map<std::string, int>> Ec2Client::running_on_demand() {
  QueryForm form("DescribeInstances");
  form.filter("instance-state-name", {"pending", "running"}).set("MaxResults", "1000");
  std::map<std::string, int> counts;
  TRY(query_->pages(form, [&](const QueryElement& root) -> Result<> {
    for (const QueryElement& reservation : root.items("reservationSet")) {
      for (const QueryElement& instance : reservation.items("instancesSet")) {
        const bool on_demand = instance.text("instanceLifecycle").empty();
        const bool on_host = instance.child("placement").text("tenancy") == "host";
        if (on_demand && !on_host) ++counts[instance.text("instanceType")];
      }
    }
    return {};
  }));
  return counts;
}

// Not by InstanceType.N: one type that does not exist would spoil the whole answer.
Result<std::vector<Ec2InstanceType>> Ec2Client::types_named(const std::vector<std::string>& names) {
  QueryForm form("DescribeInstanceTypes");
  form.filter("instance-type", names).set("MaxResults", "100");
  return describe(*query_, form, "instanceTypeSet", read_instance_type);
}

Result<std::map<std::string, int>> Ec2Client::vcpus_of(const std::vector<std::string>& types) {
  constexpr std::size_t at_once = 100;  // a filter takes 200 values
  std::map<std::string, int> vcpus;
  for (std::size_t first = 0; first < types.size(); first += at_once) {
    const std::size_t count = std::min(at_once, types.size() - first);
    const auto begin = types.begin() + static_cast<std::ptrdiff_t>(first);
    const auto found = TRY(types_named({begin, begin + static_cast<std::ptrdiff_t>(count)}));
    for (const Ec2InstanceType& type : found) vcpus[type.name] = type.vcpus;
  }
  return vcpus;
}

Result<std::vector<Ec2Tagged>> Ec2Client::tagged(const std::string& tag_key) {
  QueryForm form("DescribeTags");
  form.filter("key", {tag_key}).filter("resource-type", {"instance", "image", "snapshot", "volume"});
  form.set("MaxResults", "1000");
  return describe(*query_, form, "tagSet", read_tagged);
}

Result<std::string> Ec2Client::holder_of_address(const std::string& subnet_id,
                                                 const std::string& private_ip) {
  QueryForm form("DescribeNetworkInterfaces");
  form.filter("subnet-id", {subnet_id})
      .filter("addresses.private-ip-address", {private_ip})
      .set("MaxResults", "1000");
  std::string holder;
  TRY(query_->pages(form, [&](const QueryElement& root) -> Result<> {
    for (const QueryElement& nic : root.items("networkInterfaceSet")) holder = nic.text("networkInterfaceId");
    return {};
  }));
  return holder;
}

Result<std::optional<bool>> Ec2Client::may_call(QueryForm form) {
  form.flag("DryRun", true);
  const auto reply = TRY(query_->send(form));
  const auto* fault = std::get_if<AwsFault>(&reply);
  if (fault == nullptr)
    return error(ErrorCode::internal, "the endpoint ignores DryRun and made the call {}", form.action());
  if (fault->code == "DryRunOperation") return std::optional(true);
  if (says_not_allowed(*fault)) return std::optional(false);
  if (says_not_found(*fault) || says_wrong_state(*fault)) return std::optional<bool>();
  return service().error_of(*fault, form.action());
}

}  // namespace rekindle
