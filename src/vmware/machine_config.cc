#include "vmware/machine_config.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "vmware/disk_controllers.h"

namespace rekindle {

namespace {

// Device types of network cards and the words that people know them by.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nic_models = {{
    {"VirtualVmxnet3", "vmxnet3"},
    {"VirtualVmxnet3Vrdma", "vmxnet3"},
    {"VirtualVmxnet2", "vmxnet2"},
    {"VirtualE1000", "e1000"},
    {"VirtualE1000e", "e1000e"},
    {"VirtualPCNet32", "pcnet32"},
    {"VirtualSriovEthernetCard", "sriov"},
}};

std::vector<XmlElement> devices_of(const ObjectProperties& properties) {
  return properties.get("config.hardware").children("device");
}

std::uint64_t capacity_of(const XmlElement& disk) {
  if (const auto bytes = disk.child("capacityInBytes").number(); bytes.value_or(0) > 0) return *bytes;
  return disk.child("capacityInKB").number().value_or(0) * kib;
}

// Why a snapshot of the machine does not hold this disk. `bus_sharing` is of its controller.
std::string exclusion_of(const XmlElement& disk, const std::string& bus_sharing) {
  const XmlElement backing = disk.child("backing");
  const std::string mode = backing.child("diskMode").text();
  if (mode.starts_with("independent")) {
    return fmt::format("it is {}: snapshots leave it out; make it dependent to protect it", mode);
  }
  if (backing.child("compatibilityMode").text() == "physicalMode") {
    return "it is a raw device in physical mode, which cannot be snapshotted";
  }
  if (backing.child("sharing").text() == "sharingMultiWriter")
    return "several machines write to it (multi-writer)";
  if (!bus_sharing.empty() && bus_sharing != "noSharing") {
    return fmt::format("its controller shares the bus with other machines ({})", bus_sharing);
  }
  return {};
}

struct Controller {
  std::string kind;  // as in DiskSpec; empty: none that we know
  int bus = 0;
  std::string bus_sharing;  // of SCSI
};

int small_number(const XmlElement& element) {
  return static_cast<int>(element.number().value_or(0));
}

std::map<std::string, Controller> controllers_by_key(const std::vector<XmlElement>& devices) {
  std::map<std::string, Controller> controllers;
  for (const XmlElement& device : devices) {
    if (!device.child("busNumber") && !device.child("sharedBus")) continue;
    const ControllerKind* kind = controller_kind_of_type(device.xsi_type());
    controllers[device.child("key").text()] = {std::string(kind == nullptr ? "" : kind->name),
                                               small_number(device.child("busNumber")),
                                               device.child("sharedBus").text()};
  }
  return controllers;
}

// The disk that the firmware was told to start first, if it was.
std::optional<std::uint64_t> first_boot_disk(const ObjectProperties& properties) {
  for (const XmlElement& entry : properties.get("config.bootOptions").children("bootOrder")) {
    if (entry.xsi_type() == "VirtualMachineBootOptionsBootableDiskDevice")
      return entry.child("deviceKey").number();
  }
  return std::nullopt;
}

std::vector<NicSpec> read_nics(const ObjectProperties& properties) {
  std::vector<NicSpec> nics;
  for (const XmlElement& device : devices_of(properties)) {
    const auto* model =
        std::ranges::find(nic_models, device.xsi_type(), [](const auto& pair) { return pair.first; });
    if (model == nic_models.end()) continue;
    NicSpec nic;
    nic.name = device.at("deviceInfo.label").text();
    nic.mac_address = device.child("macAddress").text();
    nic.network = device.at("backing.deviceName").text();
    if (nic.network.empty())
      nic.network = device.at("backing.port.portgroupKey").text();  // a distributed switch
    nic.model = model->second;
    nics.push_back(std::move(nic));
  }
  return nics;
}

std::string refusal_of(const ObjectProperties& properties) {
  const std::string connection = properties.text("runtime.connectionState");
  if (!connection.empty() && connection != "connected") {
    return fmt::format("the server cannot reach it now ({})", connection);
  }
  if (!properties.get("config.hardware")) return "the server does not show its configuration";
  if (properties.get("config.template").is_true()) return "it is a template: templates cannot be snapshotted";
  if (properties.get("config.ftInfo")) return "it is fault tolerant: such machines cannot be snapshotted";
  return {};
}

}  // namespace

const std::vector<std::string>& config_properties() {
  static const std::vector<std::string> names = {
      "config.name",     "config.uuid",    "config.instanceUuid", "config.changeTrackingEnabled",
      "config.firmware", "config.guestId", "config.hardware",     "config.bootOptions",
      "config.template", "config.ftInfo",  "config.version",
  };
  return names;
}

const std::vector<std::string>& machine_properties() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = config_properties();
    all.insert(all.end(),
               {"name", "summary.config.instanceUuid", "runtime.powerState", "runtime.connectionState"});
    return all;
  }();
  return names;
}

const std::vector<std::string>& identity_properties() {
  static const std::vector<std::string> names = {"config.uuid", "config.instanceUuid",
                                                 "summary.config.instanceUuid"};
  return names;
}

MachineId machine_id(const ObjectProperties& properties, const ManagedObject& vm) {
  // The summary stays when the host that holds the configuration is lost.
  for (const std::string_view name : {"config.instanceUuid", "summary.config.instanceUuid", "config.uuid"}) {
    if (std::string uuid = properties.text(name); !uuid.empty()) return MachineId(std::move(uuid));
  }
  return MachineId(vm.value);
}

PowerState read_power_state(const std::string& state) {
  if (state == "poweredOn") return PowerState::on;
  return state == "suspended" ? PowerState::suspended : PowerState::off;
}

Result<> check_nothing_is_asked(const ObjectProperties& vm) {
  const XmlElement question = vm.get("runtime.question");
  if (!question) return {};
  return error(ErrorCode::failed_precondition,
               "the machine '{}' asks, and waits for an answer: \"{}\". Answer it in vSphere (the machine's "
               "summary, Answer Question), and try again",
               vm.text("name"), question.child("text").text());
}

std::vector<VirtualDisk> read_disks(const ObjectProperties& properties) {
  const auto devices = devices_of(properties);
  auto controllers = controllers_by_key(devices);
  std::vector<VirtualDisk> disks;
  for (const XmlElement& device : devices) {
    if (device.xsi_type() != "VirtualDisk") continue;
    VirtualDisk disk;
    disk.device_key = static_cast<int>(device.child("key").number().value_or(0));
    const std::string uuid = device.at("backing.uuid").text();
    disk.spec.id = DiskId(uuid.empty() ? fmt::format("key-{}", disk.device_key) : uuid);
    disk.spec.name = device.at("deviceInfo.label").text();
    disk.spec.size_bytes = capacity_of(device);
    const Controller& controller = controllers[device.child("controllerKey").text()];
    disk.spec.excluded_because = exclusion_of(device, controller.bus_sharing);
    disk.spec.controller = controller.kind;
    disk.spec.bus = controller.bus;
    disk.spec.unit = small_number(device.child("unitNumber"));
    disk.file_name = device.at("backing.fileName").text();
    disk.change_id = device.at("backing.changeId").text();
    disks.push_back(std::move(disk));
  }
  // Keys rise with controller and unit within a kind of bus, and firmware tries the kinds in this order too.
  const auto boots = first_boot_disk(properties);
  std::ranges::sort(disks, {}, [&](const VirtualDisk& disk) {
    const bool first = boots && *boots == static_cast<std::uint64_t>(disk.device_key);
    return std::pair(first ? 0 : 1, disk.device_key);
  });
  for (std::size_t i = 0; i < disks.size(); ++i) disks[i].spec.position = static_cast<int>(i);
  return disks;
}

Machine read_machine(const ObjectProperties& properties, const ManagedObject& vm) {
  Machine machine;
  machine.id = machine_id(properties, vm);
  machine.name = properties.text("name");
  if (machine.name.empty()) machine.name = properties.text("config.name");
  machine.power = read_power_state(properties.text("runtime.powerState"));
  machine.firmware = properties.text("config.firmware") == "efi" ? Firmware::uefi : Firmware::bios;
  const XmlElement hardware = properties.get("config.hardware");
  machine.vcpus = static_cast<int>(hardware.child("numCPU").number().value_or(1));
  machine.memory_mib = hardware.child("memoryMB").number().value_or(0);
  machine.guest_os = properties.text("config.guestId");
  machine.hardware_version = properties.text("config.version");
  machine.bios_uuid = properties.text("config.uuid");
  machine.secure_boot = properties.get("config.bootOptions").child("efiSecureBootEnabled").is_true();
  machine.cores_per_socket = small_number(hardware.child("numCoresPerSocket"));
  machine.change_tracking = properties.get("config.changeTrackingEnabled").is_true();
  for (VirtualDisk& disk : read_disks(properties)) machine.disks.push_back(std::move(disk.spec));
  machine.nics = read_nics(properties);
  machine.refused_because = refusal_of(properties);
  return machine;
}

}  // namespace rekindle
