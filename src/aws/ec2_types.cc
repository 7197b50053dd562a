#include "aws/ec2_types.h"

namespace rekindle {

namespace {

Ec2Tags read_tags(const QueryElement& item) {
  Ec2Tags tags;
  for (const QueryElement& tag : item.items("tagSet")) tags[tag.text("key")] = tag.text("value");
  return tags;
}

}  // namespace

Result<Ec2Snapshot> read_snapshot(const QueryElement& item) {
  Ec2Snapshot snapshot;
  std::string id = TRY(item.required("snapshotId"));
  snapshot.id = ImageId(std::move(id));
  snapshot.state = TRY(item.required("status"));
  snapshot.volume = VolumeId(item.text("volumeId"));
  snapshot.state_message = item.text("statusMessage");
  snapshot.size_gib = TRY(item.number("volumeSize"));
  snapshot.encrypted = item.text("encrypted") == "true";
  snapshot.tags = read_tags(item);
  return snapshot;
}

Result<Ec2Image> read_image(const QueryElement& item) {
  Ec2Image image;
  std::string id = TRY(item.required("imageId"));
  image.id = TemplateId(std::move(id));
  image.name = item.text("name");
  image.state = TRY(item.required("imageState"));
  image.state_reason = item.child("stateReason").text("message");
  for (const QueryElement& device : item.items("blockDeviceMapping")) {
    const std::string snapshot = device.child("ebs").text("snapshotId");
    if (!snapshot.empty()) image.snapshots.emplace_back(snapshot);
  }
  image.tags = read_tags(item);
  return image;
}

Result<Ec2Instance> read_instance(const QueryElement& item) {
  Ec2Instance instance;
  std::string id = TRY(item.required("instanceId"));
  instance.id = InstanceId(std::move(id));
  instance.state = TRY(item.child("instanceState").required("name"));
  instance.state_reason = item.child("stateReason").text("message");
  instance.state_reason_code = item.child("stateReason").text("code");
  instance.instance_type = item.text("instanceType");
  instance.boot_mode = item.text("currentInstanceBootMode");
  instance.availability_zone = item.child("placement").text("availabilityZone");
  instance.subnet_id = item.text("subnetId");
  instance.private_ip = item.text("privateIpAddress");
  instance.public_ip = item.text("ipAddress");
  const std::string root = item.text("rootDeviceName");
  std::map<std::pair<bool, std::string>, std::string> volumes;  // not the root, device name -> volume
  for (const QueryElement& device : item.items("blockDeviceMapping")) {
    const std::string name = device.text("deviceName");
    const std::string volume = device.child("ebs").text("volumeId");
    if (!volume.empty()) volumes[{name != root, name}] = volume;
  }
  for (const auto& [device, volume] : volumes) instance.volumes.emplace_back(volume);
  instance.tags = read_tags(item);
  return instance;
}

Result<Ec2Volume> read_volume(const QueryElement& item) {
  Ec2Volume volume;
  std::string id = TRY(item.required("volumeId"));
  volume.id = VolumeId(std::move(id));
  volume.state = TRY(item.required("status"));
  volume.size_gib = TRY(item.number("size"));
  volume.availability_zone = item.text("availabilityZone");
  volume.encrypted = item.text("encrypted") == "true";
  if (const std::string snapshot = item.text("snapshotId"); !snapshot.empty())
    volume.snapshot = ImageId(snapshot);
  for (const QueryElement& attachment : item.items("attachmentSet")) {
    volume.attachments.push_back(
        {InstanceId(attachment.text("instanceId")), attachment.text("device"), attachment.text("status")});
  }
  volume.tags = read_tags(item);
  return volume;
}

Result<Ec2Subnet> read_subnet(const QueryElement& item) {
  Ec2Subnet subnet;
  subnet.id = TRY(item.required("subnetId"));
  subnet.vpc_id = item.text("vpcId");
  subnet.cidr = item.text("cidrBlock");
  subnet.availability_zone = item.text("availabilityZone");
  subnet.free_addresses = TRY(item.number("availableIpAddressCount"));
  subnet.tags = read_tags(item);
  return subnet;
}

Result<Ec2SecurityGroup> read_security_group(const QueryElement& item) {
  std::string id = TRY(item.required("groupId"));
  return Ec2SecurityGroup{std::move(id), item.text("groupName"), item.text("vpcId")};
}

Result<Ec2InstanceType> read_instance_type(const QueryElement& item) {
  Ec2InstanceType type;
  type.name = TRY(item.required("instanceType"));
  const std::uint64_t vcpus = TRY(item.child("vCpuInfo").number("defaultVCpus"));
  type.vcpus = static_cast<int>(vcpus);
  type.memory_mib = TRY(item.child("memoryInfo").number("sizeInMiB"));
  return type;
}

Result<Ec2Tagged> read_tagged(const QueryElement& item) {
  Ec2Tagged tagged;
  tagged.resource_id = TRY(item.required("resourceId"));
  tagged.resource_type = TRY(item.required("resourceType"));
  tagged.value = item.text("value");
  return tagged;
}

}  // namespace rekindle
