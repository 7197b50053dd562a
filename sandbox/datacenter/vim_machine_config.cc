#include "sandbox/datacenter/vim_machine_config.h"

#include <algorithm>

#include "sandbox/datacenter/vim_machine.h"

namespace rekindle::sandbox {

namespace {

// vSphere numbers devices by kind: controllers of PCI, SCSI and SATA, disks, NICs.
constexpr int pci_key = 100;
constexpr int scsi_key = 1000;
constexpr int sata_key = 15000;
constexpr int nic_key = 4000;

Value description(const std::string& label, const std::string& summary) {
  return object("Description").set("label", label).set("summary", summary);
}

int controller_key(const MachineRecord& record) {
  return record.disk_controller == "ahci" ? sata_key : scsi_key;
}

Value pci_controller(const MachineRecord& record) {
  Value devices = array_of("xsd:int");
  devices.add(primitive("xsd:int", std::to_string(controller_key(record))));
  devices.add(primitive("xsd:int", std::to_string(nic_key)));
  return object("VirtualPCIController")
      .set("key", pci_key)
      .set("deviceInfo", description("PCI controller 0", "PCI controller 0"))
      .set("busNumber", 0)
      .set("device", std::move(devices));
}

Value disk_controller(const MachineRecord& record) {
  const bool sata = record.disk_controller == "ahci";
  Value devices = array_of("xsd:int");
  for (const DiskRecord& disk : record.disks) devices.add(primitive("xsd:int", std::to_string(disk.key)));
  Value controller = object(sata ? "VirtualAHCIController" : "ParaVirtualSCSIController");
  controller.set("key", controller_key(record));
  controller.set("deviceInfo", sata ? description("SATA controller 0", "AHCI")
                                    : description("SCSI controller 0", "VMware paravirtual SCSI"));
  controller.set("controllerKey", pci_key).set("unitNumber", sata ? 24 : 3);
  controller.set("busNumber", 0).set("device", std::move(devices));
  if (!sata) {
    controller.set("hotAddRemove", true)
        .set("sharedBus", enumeration("VirtualSCSISharing", "noSharing"))
        .set("scsiCtlrUnitNumber", 7);
  }
  return controller;
}

// The layer on top of `deltas`, with those below as its parents.
Value disk_backing(const MachineRecord& record, const DiskRecord& disk, std::vector<int> deltas,
                   const std::string& change_id) {
  const int delta = deltas.empty() ? 0 : deltas.back();
  Value backing = object("VirtualDiskFlatVer2BackingInfo");
  backing.set("fileName", datastore_path(record, MachinePlaces::disk_name(record, disk.unit(), delta)));
  backing.set("datastore", to_value({"Datastore", datastore_id}));
  backing.set("diskMode", "persistent")
      .set("split", false)
      .set("writeThrough", false)
      .set("thinProvisioned", true);
  backing.set("uuid", disk.uuid);
  if (!change_id.empty()) backing.set("changeId", change_id);
  if (!deltas.empty()) {
    deltas.pop_back();
    backing.set("parent", disk_backing(record, disk, deltas, ""));
  }
  return backing.set("sharing", "sharingNone");
}

std::string change_id_of(const DiskRecord& disk, const SnapshotRecord* frozen) {
  if (frozen == nullptr) return disk.tracking.change_id();
  const auto at = std::find_if(frozen->disks.begin(), frozen->disks.end(),
                               [&](const DiskAtSnapshot& entry) { return entry.key == disk.key; });
  return at == frozen->disks.end() ? "" : at->change_id;
}

Value virtual_disk(const MachineRecord& record, const DiskRecord& disk, const SnapshotRecord* frozen) {
  const std::int64_t bytes = static_cast<std::int64_t>(disk.capacity_bytes);
  const auto deltas = frozen == nullptr ? record.deltas : record.frozen_deltas(*frozen);
  return object("VirtualDisk")
      .set("key", disk.key)
      .set("deviceInfo",
           description(fmt::format("Hard disk {}", disk.unit() + 1), fmt::format("{} KB", bytes / 1024)))
      .set_any("backing", disk_backing(record, disk, deltas, change_id_of(disk, frozen)))
      .set("controllerKey", controller_key(record))
      .set("unitNumber", disk.unit())
      .set("capacityInKB", bytes / 1024)
      .set("capacityInBytes", bytes)
      .set("diskObjectId", fmt::format("{}-{}", record.number, disk.key));
}

Value network_card(const MachineRecord& record) {
  Value backing = object("VirtualEthernetCardNetworkBackingInfo");
  backing.set("deviceName", record.network)
      .set("useAutoDetect", false)
      .set("network", to_value({"Network", network_id_of(record)}));
  Value connectable = object("VirtualDeviceConnectInfo");
  connectable.set("startConnected", true).set("allowGuestControl", true);
  connectable.set("connected", record.power == PowerState::on).set("status", "ok");
  return object("VirtualVmxnet3")
      .set("key", nic_key)
      .set("deviceInfo", description("Network adapter 1", record.network))
      .set_any("backing", std::move(backing))
      .set("connectable", std::move(connectable))
      .set("controllerKey", pci_key)
      .set("unitNumber", 7)
      .set("addressType", "manual")
      .set("macAddress", record.mac)
      .set("wakeOnLanEnabled", true);
}

Value hardware(const MachineRecord& record, const SnapshotRecord* frozen) {
  Value devices = array_of("VirtualDevice");
  devices.add(pci_controller(record)).add(disk_controller(record));
  for (const DiskRecord& disk : record.disks) devices.add(virtual_disk(record, disk, frozen));
  devices.add(network_card(record));
  return object("VirtualHardware")
      .set("numCPU", record.vcpus)
      .set("numCoresPerSocket", 1)
      .set("memoryMB", record.memory_mib)
      .set("virtualICH7MPresent", false)
      .set("virtualSMCPresent", false)
      .set("device", std::move(devices));
}

Value option(const std::string& key, const std::string& value) {
  return object("OptionValue").set("key", key).set_any("value", primitive("xsd:string", value));
}

Value extra_config(const MachineRecord& record) {
  Value options = array_of("OptionValue");
  options.add(option("nvram", record.name + ".nvram"));
  if (record.change_tracking_enabled) {
    options.add(option("ctkEnabled", "TRUE"));
    for (const DiskRecord& disk : record.disks) {
      const char* bus = record.disk_controller == "ahci" ? "sata" : "scsi";
      options.add(option(fmt::format("{}0:{}.ctkEnabled", bus, disk.unit()), "TRUE"));
    }
  }
  for (const auto& [key, value] : record.extra_config) options.add(option(key, value));
  // Ours: where the guest's service is reached from this host.
  if (record.is_reachable())
    options.add(option("rekindle.sandbox.http", fmt::format("127.0.0.1:{}", record.host_port)));
  return options;
}

}  // namespace

std::string datastore_path(const MachineRecord& record, const std::string& file) {
  return fmt::format("[{}] {}/{}", datastore_name, record.name, file);
}

std::string firmware_name(const MachineRecord& record) {
  return record.firmware == "uefi" ? "efi" : "bios";
}

std::string guest_full_name(const MachineRecord& record) {
  if (record.guest_id == "debian12_64Guest") return "Debian GNU/Linux 12 (64-bit)";
  return "Other Linux (64-bit)";
}

Value machine_config(const MachineRecord& record, const SnapshotRecord* frozen) {
  const Time modified = frozen == nullptr ? record.boot_time : frozen->created;
  Value files = object("VirtualMachineFileInfo");
  files.set("vmPathName", datastore_path(record, record.name + ".vmx"));
  for (const char* what : {"snapshotDirectory", "suspendDirectory", "logDirectory"}) {
    files.set(what, datastore_path(record, ""));
  }
  Value config = object("VirtualMachineConfigInfo");
  config.set("changeVersion", to_iso8601(modified)).set("modified", modified).set("name", record.name);
  config.set("guestFullName", guest_full_name(record)).set("version", "vmx-14").set("uuid", record.uuid);
  config.set("instanceUuid", record.instance_uuid).set("template", false).set("guestId", record.guest_id);
  config.set("alternateGuestName", "").set("annotation", "").set("files", std::move(files));
  config.set("flags", object("VirtualMachineFlagInfo").set("diskUuidEnabled", false));
  config.set("defaultPowerOps", object("VirtualMachineDefaultPowerOpInfo"));
  config.set("hardware", hardware(record, frozen)).set("extraConfig", extra_config(record));
  config.set("bootOptions", object("VirtualMachineBootOptions").set("efiSecureBootEnabled", false));
  config.set("changeTrackingEnabled", record.change_tracking_enabled).set("firmware", firmware_name(record));
  return config.set("maxMksConnections", 40);
}

}  // namespace rekindle::sandbox
