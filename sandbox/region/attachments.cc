// Attaching volumes: to a running instance (an NVMe disk is plugged in), a stopped one, or a proxy (a file
// appears).
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

constexpr auto unplug_patience = std::chrono::seconds(5);

void write_attachment(Xml out, const std::string& volume_id, const Attachment& attachment,
                      const char* state) {
  out.add("volumeId", volume_id);
  out.add("instanceId", attachment.instance_id);
  out.add("device", attachment.device);
  out.add("status", state);
  out.add_time("attachTime", attachment.attached_ms);
  out.add("deleteOnTermination", attachment.delete_on_termination);
}

// A file name for a proxy, a disk for a machine: "/dev/sdf", "xvdf", "/dev/sda1".
Outcome<std::string> device_parameter(Ec2Call& call) {
  const std::string device = TRY(call.in.required("Device"));
  const std::string name = std::filesystem::path(device).filename().string();
  const bool plain = std::all_of(name.begin(), name.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (name.empty() || !plain || (device != name && device != "/dev/" + name)) {
    return refuse("InvalidParameterValue",
                  "Value ({}) for parameter device is invalid. {} is not a valid EBS device name.", device,
                  device);
  }
  return device;
}

Outcome<unsigned> free_slot(Cloud& cloud, const Instance& instance, const std::string& device) {
  std::set<unsigned> taken;
  for (const Volume& other : cloud.volumes_of(instance.id)) {
    taken.insert(other.attachment.slot);
    if (other.attachment.device == device) {
      return refuse("InvalidParameterValue",
                    "Invalid value '{}' for unixDevice. Attachment point {} is already in use", device,
                    device);
    }
  }
  if (device == instance.root_device) return root_slot;
  for (unsigned slot = first_data_slot; slot <= last_slot; ++slot) {
    if (!taken.contains(slot)) return slot;
  }
  return refuse("AttachmentLimitExceeded", "The instance {} has no place for another volume", instance.id);
}

// Makes the volume visible to what runs. The state says "attaching" already, so that a crash is made good at
// restart.
Outcome<> connect(Cloud& cloud, const Volume& volume, const Instance& instance) {
  if (instance.proxy) return cloud.export_volume(volume);
  if (cloud.machine_pid(instance.id) == 0) return {};
  TRY(plug_disk(cloud.instance_directory(instance.id), cloud.disk_of(volume, instance)));
  return {};
}

Outcome<> attach_volume(Ec2Call& call) {
  const std::string id = TRY(call.in.required("VolumeId"));
  const std::string instance_id = TRY(call.in.required("InstanceId"));
  const std::string device = TRY(device_parameter(call));
  Volume volume = TRY(call.cloud.require<Volume>(id));
  const Instance instance = TRY(call.cloud.require<Instance>(instance_id));
  if (volume.attached()) return refuse("VolumeInUse", "{} is already attached to an instance", id);
  if (volume.state != "available")
    return refuse("IncorrectState", "Volume '{}' is in the '{}' state.", id, volume.state);
  if (instance.state != "running" && instance.state != "stopped") {
    return refuse("IncorrectState", "Instance '{}' is not 'running' or 'stopped'.", instance_id);
  }
  if (volume.zone != instance.zone) {
    return refuse("InvalidVolume.ZoneMismatch",
                  "The volume '{}' is not in the same availability zone as instance '{}'", id, instance_id);
  }
  const unsigned slot = TRY(free_slot(call.cloud, instance, device));
  volume.attachment = {instance_id, device, "attaching", call.cloud.now_ms(), false, slot};
  volume.state = "in-use";
  call.cloud.state().put(volume);
  TRY(call.cloud.state().commit());
  if (auto connected = connect(call.cloud, volume, instance); !connected.ok()) {
    volume.attachment = {};
    volume.state = "available";
    call.cloud.state().put(volume);
    TRY(call.cloud.state().commit());
    return connected;
  }
  volume.attachment.state = "attached";
  call.cloud.state().put(volume);
  write_attachment(call.out, id, volume.attachment, "attaching");
  return {};
}

Outcome<> disconnect(Cloud& cloud, const Volume& volume, const Instance& instance, bool force) {
  if (instance.proxy) return cloud.end_export(volume);
  if (cloud.machine_pid(instance.id) == 0) return {};
  if (volume.attachment.device == instance.root_device) {
    return refuse("OperationNotPermitted", "Unable to detach root volume '{}' from instance '{}'", volume.id,
                  instance.id);
  }
  const auto unplugged =
      unplug_disk(cloud.instance_directory(instance.id), cloud.disk_of(volume, instance), unplug_patience);
  if (!unplugged.ok() && !force) {
    return refuse("IncorrectState", "The instance {} does not let go of {}: {}", instance.id, volume.id,
                  unplugged.error().message());
  }
  TRY(unplugged);
  return {};
}

Outcome<> detach_volume(Ec2Call& call) {
  const std::string id = TRY(call.in.required("VolumeId"));
  const bool force = TRY(call.in.flag("Force", false));
  Volume volume = TRY(call.cloud.require<Volume>(id));
  const std::string instance_id = call.in.text("InstanceId", volume.attachment.instance_id);
  if (!volume.attached())
    return refuse("IncorrectState", "Volume '{}' is in the '{}' state.", id, volume.state);
  if (volume.attachment.instance_id != instance_id) {
    return refuse("InvalidAttachment.NotFound", "The volume '{}' is not attached to instance '{}'.", id,
                  instance_id);
  }
  const Instance instance = TRY(call.cloud.require<Instance>(instance_id));
  TRY(disconnect(call.cloud, volume, instance, force));
  write_attachment(call.out, id, volume.attachment, "detaching");
  volume.attachment = {};
  volume.state = "available";
  call.cloud.state().put(volume);
  return {};
}

}  // namespace

std::span<const Ec2Action> attachment_actions() {
  static constexpr Ec2Action actions[] = {
      {"AttachVolume", attach_volume},
      {"DetachVolume", detach_volume},
  };
  return actions;
}

}  // namespace rekindle::sandbox
