// AMIs, registered from snapshots.
#include "sandbox/region/ec2_call.h"

namespace rekindle::sandbox {

namespace {

void write_image(const std::string& owner, Xml out, const Image& image) {
  out.add("imageId", image.id);
  out.add("imageLocation", owner + "/" + image.name);
  out.add("imageState", image.state);
  out.add("imageOwnerId", owner);
  out.add("isPublic", owner == "amazon");
  out.add("architecture", image.architecture);
  out.add("imageType", "machine");
  out.add("name", image.name);
  out.add("description", image.description);
  out.add("rootDeviceType", "ebs");
  out.add("rootDeviceName", image.root_device);
  out.add("virtualizationType", image.virtualization_type);
  out.add("hypervisor", "xen");
  out.add("enaSupport", image.ena_support);
  out.add_if("sriovNetSupport", image.sriov_net_support);
  out.add_if("bootMode", image.boot_mode);
  out.add_if("tpmSupport", image.tpm_support);
  out.add_if("imdsSupport", image.imds_support);
  out.add("platformDetails", "Linux/UNIX");
  out.add("usageOperation", "RunInstances");
  out.add_time("creationDate", image.created_ms);
  Xml devices = out.child("blockDeviceMapping");
  for (const DeviceMapping& mapping : image.devices) {
    Xml item = devices.item();
    item.add("deviceName", mapping.device);
    Xml ebs = item.child("ebs");
    ebs.add_if("snapshotId", mapping.snapshot_id);
    ebs.add("volumeSize", mapping.size_gib);
    ebs.add("deleteOnTermination", mapping.delete_on_termination);
    ebs.add("volumeType", mapping.volume_type.empty() ? "gp2" : mapping.volume_type);
    if (mapping.iops > 0) ebs.add("iops", mapping.iops);
    if (mapping.throughput > 0) ebs.add("throughput", mapping.throughput);
    ebs.add("encrypted", mapping.encrypted);
  }
  out.add_tags(image.tags);
}

Outcome<> check_name(Ec2Call& call, const std::string& name) {
  if (name.size() < 3 || name.size() > 128) {
    return refuse("InvalidAMIName.Malformed",
                  "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
                  "'(', ')', '.', '-', '/' and '_'");
  }
  for (const auto& [id, image] : call.cloud.state().all<Image>()) {
    if (image.name == name)
      return refuse("InvalidAMIName.Duplicate", "AMI name {} is already in use by AMI {}", name, id);
  }
  return {};
}

Outcome<std::vector<DeviceMapping>> image_devices(Ec2Call& call, const std::string& root_device) {
  std::vector<DeviceMapping> devices = TRY(device_mappings(call.in));
  bool root = false;
  for (DeviceMapping& mapping : devices) {
    root = root || (mapping.device == root_device && !mapping.snapshot_id.empty());
    if (mapping.snapshot_id.empty()) continue;
    const Snapshot snapshot = TRY(call.cloud.require<Snapshot>(mapping.snapshot_id));
    if (snapshot.state != "completed")
      return refuse("IncorrectState", "Snapshot '{}' is not 'completed'", snapshot.id);
    if (mapping.size_gib == 0) mapping.size_gib = snapshot.size_gib;
    if (mapping.size_gib < snapshot.size_gib) {
      return refuse("InvalidBlockDeviceMapping",
                    "Volume of size {}GB is smaller than snapshot '{}', expect size >= {}GB",
                    mapping.size_gib, snapshot.id, snapshot.size_gib);
    }
    mapping.encrypted = snapshot.encrypted;
  }
  if (!root)
    return refuse("InvalidBlockDeviceMapping", "The root device {} has no mapping with a snapshot",
                  root_device);
  return devices;
}

Outcome<> register_image(Ec2Call& call) {
  Image image = call.cloud.make<Image>();
  image.name = TRY(call.in.required("Name"));
  TRY(check_name(call, image.name));
  image.description = call.in.text("Description");
  image.architecture = call.in.text("Architecture", "i386");
  image.boot_mode = call.in.text("BootMode");
  image.virtualization_type = call.in.text("VirtualizationType", "paravirtual");
  image.tpm_support = call.in.text("TpmSupport");
  image.imds_support = call.in.text("ImdsSupport");
  image.sriov_net_support = call.in.text("SriovNetSupport");
  image.ena_support = TRY(call.in.flag("EnaSupport", false));
  TRY(one_of("architecture", image.architecture, {"i386", "x86_64", "arm64"}));
  TRY(one_of("bootMode", image.boot_mode, {"legacy-bios", "uefi", "uefi-preferred"}));
  TRY(one_of("sriovNetSupport", image.sriov_net_support, {"simple"}));
  TRY(one_of("virtualizationType", image.virtualization_type, {"hvm", "paravirtual"}));
  image.root_device = TRY(call.in.required("RootDeviceName"));
  image.devices = TRY(image_devices(call, image.root_device));
  image.tags = TRY(tags_on_create(call.in, "image"));
  call.cloud.begin(image, "pending", "available", call.cloud.knobs().image_ready);
  call.cloud.state().put(image);
  call.out.add("imageId", image.id);
  return {};
}

const FilterTable<Image>& filters() {
  static const FilterTable<Image> table = {
      {"image-id", [](const Image& image) { return std::vector{image.id}; }},
      {"name", [](const Image& image) { return std::vector{image.name}; }},
      {"description", [](const Image& image) { return std::vector{image.description}; }},
      {"state", [](const Image& image) { return std::vector{image.state}; }},
      {"architecture", [](const Image& image) { return std::vector{image.architecture}; }},
      {"root-device-name", [](const Image& image) { return std::vector{image.root_device}; }},
      {"root-device-type", [](const Image&) { return std::vector<std::string>{"ebs"}; }},
      {"virtualization-type", [](const Image& image) { return std::vector{image.virtualization_type}; }},
      {"ena-support", [](const Image& image) { return std::vector{text_of(image.ena_support)}; }},
      {"image-type", [](const Image&) { return std::vector<std::string>{"machine"}; }},
      {"hypervisor", [](const Image&) { return std::vector<std::string>{"xen"}; }},
      {"block-device-mapping.snapshot-id",
       [](const Image& image) {
         std::vector<std::string> ids;
         for (const DeviceMapping& mapping : image.devices) ids.push_back(mapping.snapshot_id);
         return ids;
       }},
  };
  return table;
}

// What AWS offers to everybody: one image, to find and to try a launch with (DryRun). It has no disk.
Image public_image() {
  Image image;
  image.id = "ami-0a12023a12023a120";
  image.name = "al2023-ami-2023.6.20241121.0-kernel-6.1-x86_64";
  image.state = "available";
  image.architecture = "x86_64";
  image.virtualization_type = "hvm";
  image.boot_mode = "uefi-preferred";
  image.root_device = "/dev/xvda";
  image.ena_support = true;
  return image;
}

Outcome<> describe_images(Ec2Call& call) {
  if (call.in.list("Owner") == std::vector<std::string>{"amazon"}) {
    const Image offered = public_image();
    Xml found = call.out.child("imagesSet");
    const bool wanted = TRY(passes(filters_of(call.in), filters(), offered));
    if (wanted) write_image("amazon", found.item(), offered);
    return {};
  }
  const auto found = TRY(select(call, "ImageId", filters()));
  Xml set = call.out.child("imagesSet");
  for (const Image& image : found) write_image(call.account(), set.item(), image);
  return {};
}

Outcome<> modify_attribute(Ec2Call& call) {
  const std::string id = TRY(call.in.required("ImageId"));
  Image image = TRY(call.cloud.require<Image>(id));
  if (!call.in.has("Description.Value")) {
    return refuse("InvalidParameterCombination",
                  "The local region changes no attribute but Description of an image");
  }
  image.description = call.in.text("Description.Value");
  call.cloud.state().put(image);
  call.out.add("return", true);
  return {};
}

Outcome<> deregister_image(Ec2Call& call) {
  const std::string id = TRY(call.in.required("ImageId"));
  if (!call.cloud.state().find<Image>(id)) {
    return refuse("InvalidAMIID.Unavailable", "The image ID '{}' is no longer available", id);
  }
  call.cloud.state().remove<Image>(id);
  call.out.add("return", true);
  return {};
}

}  // namespace

std::span<const Ec2Action> image_actions() {
  static constexpr Ec2Action actions[] = {
      {"RegisterImage", register_image},
      {"DescribeImages", describe_images},
      {"ModifyImageAttribute", modify_attribute},
      {"DeregisterImage", deregister_image},
  };
  return actions;
}

}  // namespace rekindle::sandbox
