// The frozen disks of VsphereSite: what changed in them, and their content.
#include <algorithm>

#include "vmware/changed_areas.h"
#include "vmware/datastore_disk.h"
#include "vmware/machine_config.h"
#include "vmware/vsphere_site.h"

namespace rekindle {

namespace {

constexpr int max_folder_depth = 64;

TrackedDisk tracked(const ManagedObject& vm, const ManagedObject& snapshot, const VirtualDisk& disk) {
  return {vm, snapshot, disk.device_key, disk.spec.size_bytes};
}

// Where the server does not tell which areas are in use (only VMFS does, and only with tracking), all of them
// are.
Result<Extents> areas_in_use(VimSession& session, const TrackedDisk& disk) {
  auto areas = query_changed_areas(session, disk, "*");
  if (areas.ok() || areas.error().transient()) return areas;
  return Extents{{0, disk.size_bytes}};
}

}  // namespace

struct VsphereSite::FrozenDisk {
  ManagedObject vm;
  ManagedObject snapshot;
  VirtualDisk disk;
};

Result<VsphereSite::FrozenDisk> VsphereSite::find_disk(const MachineSnapshot& snapshot, const DiskId& disk) {
  const ManagedObject vm = TRY(locate(snapshot.machine.id));
  const ManagedObject reference{"VirtualMachineSnapshot", snapshot.id.str()};
  const auto properties = read_properties(*session_, reference, config_properties());
  if (!properties.ok() && properties.error().code() == ErrorCode::not_found) {
    return error(ErrorCode::not_found, "snapshot '{}' of machine '{}' was deleted meanwhile", snapshot.name,
                 snapshot.machine.name);
  }
  if (!properties.ok()) return properties.error();
  for (VirtualDisk& found : read_disks(*properties)) {
    if (found.spec.id != disk) continue;
    if (!found.spec.excluded_because.empty()) {
      return error(ErrorCode::failed_precondition, "disk '{}' of machine '{}' is not in its snapshots: {}",
                   found.spec.name, snapshot.machine.name, found.spec.excluded_because);
    }
    return FrozenDisk{vm, reference, std::move(found)};
  }
  return error(ErrorCode::not_found, "snapshot '{}' of machine '{}' has no disk {}", snapshot.name,
               snapshot.machine.name, disk);
}

Result<Extents> VsphereSite::changed_areas(const MachineSnapshot& snapshot, const DiskId& disk,
                                           const std::string& since_change_id) {
  const FrozenDisk frozen = TRY(find_disk(snapshot, disk));
  const std::string& now = frozen.disk.change_id;
  if (now.empty()) {
    return error(ErrorCode::failed_precondition,
                 "changes of disk '{}' are not tracked: all of it must be read", frozen.disk.spec.name);
  }
  if (tracking_uuid(since_change_id).empty() || tracking_uuid(since_change_id) != tracking_uuid(now)) {
    return error(ErrorCode::failed_precondition,
                 "change tracking of disk '{}' began anew since the last backup (from '{}' to '{}'): all of "
                 "it must be "
                 "read",
                 frozen.disk.spec.name, since_change_id, now);
  }
  return query_changed_areas(*session_, tracked(frozen.vm, frozen.snapshot, frozen.disk), since_change_id);
}

// The names of the folders from the root to the datacenter that holds the datastore, joined by '/': what
// /folder calls dcPath.
Result<std::string> VsphereSite::datacenter_path(const ManagedObject& vm, const std::string& datastore) {
  if (!about().is_vcenter()) return std::string("ha-datacenter");
  const ObjectProperties machine = TRY(read_properties(*session_, vm, {"datastore"}));
  for (const XmlElement& reference : machine.get("datastore").children("ManagedObjectReference")) {
    std::string path;
    ManagedObject object = read_reference(reference);
    for (int depth = 0; depth < max_folder_depth && object != session_->service().root_folder; ++depth) {
      const ObjectProperties place = TRY(read_properties(*session_, object, {"name", "parent"}));
      if (depth == 0 && place.text("name") != datastore) break;
      if (object.type == "Datacenter")
        path = place.text("name");
      else if (!path.empty())
        path.insert(0, place.text("name") + "/");
      if (!place.get("parent")) break;
      object = read_reference(place.get("parent"));
    }
    if (!path.empty()) return path;
  }
  return error(ErrorCode::not_found, "the datastore '{}' is in no datacenter that the account may see",
               datastore);
}

Result<std::unique_ptr<BlockSource>> VsphereSite::open_disk(const MachineSnapshot& snapshot,
                                                            const DiskId& disk) {
  const FrozenDisk frozen = TRY(find_disk(snapshot, disk));
  const DatastorePath path = TRY(DatastorePath::parse(frozen.disk.file_name));
  const std::string datacenter = TRY(datacenter_path(frozen.vm, path.datastore));
  DatastoreDisk::AreasInUse in_use = [size = frozen.disk.spec.size_bytes] { return Extents{{0, size}}; };
  if (!frozen.disk.change_id.empty()) {
    in_use = [this, one = tracked(frozen.vm, frozen.snapshot, frozen.disk)] {
      return areas_in_use(*session_, one);
    };
  }
  auto source =
      TRY(DatastoreDisk::open(*session_, datacenter, path, frozen.disk.spec.size_bytes, std::move(in_use)),
          "opening disk '{}' of machine '{}'", frozen.disk.spec.name, snapshot.machine.name);
  return std::unique_ptr<BlockSource>(std::move(source));
}

}  // namespace rekindle
