#include "sandbox/datacenter/datastore_files.h"

#include <algorithm>

#include "base/file.h"

namespace rekindle::sandbox {

namespace {

constexpr std::uint64_t sector_bytes = 512;

// A content id: any 32 bits that change with the content; it ties a delta to its parent.
std::uint32_t content_id(const DiskRecord& disk, int delta) {
  const std::string text = fmt::format("{}/{}", disk.uuid, delta);
  return static_cast<std::uint32_t>(std::hash<std::string>()(text)) & 0x7fffffffU;
}

std::string stem(const std::string& disk_name) {
  return disk_name.substr(0, disk_name.size() - 5);
}

std::string base_descriptor(const MachineRecord& record, const DiskRecord& disk) {
  const std::uint64_t sectors = disk.capacity_bytes / sector_bytes;
  const std::string name = stem(MachinePlaces::disk_name(record, disk.unit()));
  std::string text = fmt::format(
      "# Disk DescriptorFile\nversion={}\nencoding=\"UTF-8\"\nCID={:08x}\nparentCID=ffffffff\n"
      "createType=\"vmfs\"\n\n# Extent description\nRW {} VMFS \"{}-flat.vmdk\"\n\n",
      record.change_tracking_enabled ? 3 : 1, content_id(disk, 0), sectors, name);
  if (record.change_tracking_enabled)
    text += fmt::format("# Change Tracking File\nchangeTrackPath=\"{}-ctk.vmdk\"\n\n", name);
  std::string uuid = disk.uuid;
  return text +
         fmt::format(
             "# The Disk Data Base\n#DDB\n\nddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"{}\"\n"
             "ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\nddb.thinProvisioned = \"1\"\n"
             "ddb.uuid = \"{}\"\nddb.virtualHWVersion = \"14\"\n",
             std::max<std::uint64_t>(sectors / 255 / 63, 1), uuid);
}

std::string delta_descriptor(const MachineRecord& record, const DiskRecord& disk, int below, int delta) {
  return fmt::format(
      "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={:08x}\nparentCID={:08x}\n"
      "createType=\"vmfsSparse\"\nparentFileNameHint=\"{}\"\n\n# Extent description\nRW {} VMFSSPARSE "
      "\"{}-delta.vmdk\"\n",
      content_id(disk, delta), content_id(disk, below), MachinePlaces::disk_name(record, disk.unit(), below),
      disk.capacity_bytes / sector_bytes, stem(MachinePlaces::disk_name(record, disk.unit(), delta)));
}

std::string vmx(const MachineRecord& record) {
  const bool sata = record.disk_controller == "ahci";
  const std::string bus = sata ? "sata0" : "scsi0";
  std::string text = fmt::format(
      ".encoding = \"UTF-8\"\nconfig.version = \"8\"\nvirtualHW.version = \"14\"\ndisplayName = \"{}\"\n"
      "guestOS = \"{}\"\nfirmware = \"{}\"\nmemSize = \"{}\"\nnumvcpus = \"{}\"\nnvram = \"{}.nvram\"\n"
      "uuid.bios = \"{}\"\nvc.uuid = \"{}\"\n{}.present = \"TRUE\"\n",
      record.name, record.guest_id, record.firmware == "uefi" ? "efi" : "bios", record.memory_mib,
      record.vcpus, record.name, record.uuid, record.instance_uuid, bus);
  if (!sata) text += "scsi0.virtualDev = \"pvscsi\"\n";
  if (record.change_tracking_enabled) text += "ctkEnabled = \"TRUE\"\n";
  for (const DiskRecord& disk : record.disks) {
    const std::string slot = fmt::format("{}:{}", bus, disk.unit());
    text += fmt::format(
        "{}.present = \"TRUE\"\n{}.fileName = \"{}\"\n", slot, slot,
        MachinePlaces::disk_name(record, disk.unit(), record.deltas.empty() ? 0 : record.deltas.back()));
    if (record.change_tracking_enabled) text += slot + ".ctkEnabled = \"TRUE\"\n";
  }
  return text +
         fmt::format(
             "ethernet0.present = \"TRUE\"\nethernet0.virtualDev = \"vmxnet3\"\nethernet0.networkName = \"VM "
             "Network\"\nethernet0.addressType = \"static\"\nethernet0.address = \"{}\"\n",
             record.mac);
}

}  // namespace

Result<> write_datastore_files(const MachineRecord& record, const MachinePlaces& places) {
  const auto home = places.home(record);
  TRY(write_file_atomically(home / (record.name + ".vmx"), vmx(record)));
  for (const DiskRecord& disk : record.disks) {
    TRY(write_file_atomically(home / MachinePlaces::disk_name(record, disk.unit()),
                              base_descriptor(record, disk)));
  }
  return {};
}

Result<> write_delta_descriptors(const MachineRecord& record, const MachinePlaces& places, int delta) {
  const auto position = std::find(record.deltas.begin(), record.deltas.end(), delta);
  const int below = position == record.deltas.begin() ? 0 : *(position - 1);
  for (const DiskRecord& disk : record.disks) {
    TRY(write_file_atomically(places.home(record) / MachinePlaces::disk_name(record, disk.unit(), delta),
                              delta_descriptor(record, disk, below, delta)));
  }
  return write_file_atomically(places.home(record) / (record.name + ".vmx"), vmx(record));
}

Result<> remove_delta_descriptors(const MachineRecord& record, const MachinePlaces& places, int delta) {
  for (const DiskRecord& disk : record.disks) {
    TRY(remove_file(places.home(record) / MachinePlaces::disk_name(record, disk.unit(), delta)));
  }
  MachineRecord after = record;
  std::erase(after.deltas, delta);
  return write_file_atomically(places.home(record) / (record.name + ".vmx"), vmx(after));
}

}  // namespace rekindle::sandbox
