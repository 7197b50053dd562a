#include "guest/guest_volumes.h"

#include "guest/linear_volumes.h"

namespace rekindle {

namespace {

Result<> add_logical_volumes(GuestVolumes& guest, std::size_t index) {
  VolumeView& physical = *guest.volumes[index].view;
  LinearVolumes found =
      TRY(read_linear_volumes(physical), "reading the LVM metadata of {}", guest.volumes[index].name());
  guest.warnings.insert(guest.warnings.end(), found.warnings.begin(), found.warnings.end());
  for (LinearVolume& linear : found.volumes) {
    GuestVolume volume{0, linear.name, false, {}, nullptr};
    volume.view = std::make_unique<VolumeView>(physical, linear.ranges);
    volume.identity = TRY(probe_volume(*volume.view), "reading {}", volume.name());
    guest.volumes.push_back(std::move(volume));
  }
  return {};
}

}  // namespace

std::string GuestVolume::name() const {
  if (!logical_volume.empty()) return "logical volume " + logical_volume;
  return partition == 0 ? "the disk without partitions" : fmt::format("partition {}", partition);
}

std::string GuestVolumes::inventory() const {
  std::string text;
  for (const GuestVolume& volume : volumes) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", volume.name(), to_string(volume.identity.kind));
  }
  return text;
}

Result<GuestVolumes> read_guest_volumes(BlockTarget& disk) {
  GuestVolumes guest;
  guest.table = TRY(read_partition_table(disk));
  guest.warnings = guest.table.warnings;
  for (const Partition& partition : guest.table.partitions) {
    GuestVolume volume{partition.number, "", partition.efi_system, {}, nullptr};
    volume.view = std::make_unique<VolumeView>(disk, std::vector{partition.range});
    volume.identity = TRY(probe_volume(*volume.view), "reading partition {}", partition.number);
    guest.volumes.push_back(std::move(volume));
  }
  const std::size_t partitions = guest.volumes.size();
  for (std::size_t i = 0; i < partitions; ++i) {
    if (guest.volumes[i].identity.kind == VolumeKind::lvm) TRY(add_logical_volumes(guest, i));
  }
  return guest;
}

}  // namespace rekindle
