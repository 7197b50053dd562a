#include "sandbox/datacenter/machine_record.h"

#include <algorithm>

namespace rekindle::sandbox {

using nlohmann::json;

std::string_view to_string(PowerState state) {
  switch (state) {
    case PowerState::off:
      return "poweredOff";
    case PowerState::on:
      return "poweredOn";
    case PowerState::suspended:
      return "suspended";
  }
  return "poweredOff";
}

namespace {

PowerState power_from(std::string_view text) {
  if (text == "poweredOn") return PowerState::on;
  return text == "suspended" ? PowerState::suspended : PowerState::off;
}

Time time_from(const json& milliseconds) {
  return Time(std::chrono::milliseconds(milliseconds.get<std::int64_t>()));
}
std::int64_t number_of(Time time) {
  return time.time_since_epoch().count();
}

json json_of(const SnapshotRecord& snapshot) {
  json disks = json::array();
  for (const DiskAtSnapshot& disk : snapshot.disks) {
    disks.push_back({{"key", disk.key}, {"change_id", disk.change_id}, {"epoch", disk.epoch}});
  }
  return {{"number", snapshot.number},
          {"name", snapshot.name},
          {"description", snapshot.description},
          {"created", number_of(snapshot.created)},
          {"quiesced", snapshot.quiesced},
          {"power", to_string(snapshot.power)},
          {"delta", snapshot.delta},
          {"disks", std::move(disks)}};
}

SnapshotRecord snapshot_from(const json& from) {
  SnapshotRecord snapshot;
  snapshot.number = from.at("number");
  snapshot.name = from.at("name");
  snapshot.description = from.at("description");
  snapshot.created = time_from(from.at("created"));
  snapshot.quiesced = from.at("quiesced");
  snapshot.power = power_from(from.at("power").get<std::string>());
  snapshot.delta = from.at("delta");
  for (const json& disk : from.at("disks")) {
    snapshot.disks.push_back({disk.at("key"), disk.at("change_id"), disk.at("epoch")});
  }
  return snapshot;
}

json json_of(const DiskRecord& disk) {
  return {{"key", disk.key},
          {"capacity_bytes", disk.capacity_bytes},
          {"uuid", disk.uuid},
          {"tracking", disk.tracking.to_json()}};
}

DiskRecord disk_from(const json& from) {
  DiskRecord disk;
  disk.key = from.at("key");
  disk.capacity_bytes = from.at("capacity_bytes");
  disk.uuid = from.at("uuid");
  disk.tracking = ChangeTracking::from_json(from.at("tracking"));
  return disk;
}

void read_hardware(const json& from, MachineRecord& record) {
  record.number = from.at("number");
  record.name = from.at("name");
  record.uuid = from.at("uuid");
  record.instance_uuid = from.at("instance_uuid");
  record.guest_id = from.at("guest_id");
  record.firmware = from.at("firmware");
  record.disk_controller = from.at("disk_controller");
  record.memory_mib = from.at("memory_mib");
  record.vcpus = from.at("vcpus");
  record.mac = from.at("mac");
  record.network = from.value("network", record.network);
  record.http_port = from.at("http_port");
  record.run_cpus = from.at("run_cpus");
}

void read_state(const json& from, MachineRecord& record) {
  record.power = power_from(from.at("power").get<std::string>());
  record.pid = from.at("pid");
  record.host_port = from.at("host_port");
  record.boot_time = time_from(from.at("boot_time"));
  record.change_tracking_enabled = from.at("change_tracking_enabled");
  record.consolidation_needed = from.at("consolidation_needed");
  record.last_delta = from.at("last_delta");
  record.last_snapshot = from.at("last_snapshot");
  record.deltas = from.at("deltas").get<std::vector<int>>();
  for (const json& snapshot : from.at("snapshots")) record.snapshots.push_back(snapshot_from(snapshot));
  for (const json& disk : from.at("disks")) record.disks.push_back(disk_from(disk));
  for (const json& open : from.value("open_disks", json::array()))
    record.open_disks.push_back({open.at("key"), open.at("server")});
  record.extra_config = from.value("extra_config", record.extra_config);
}

}  // namespace

const SnapshotRecord* MachineRecord::find_snapshot(int snapshot_number) const {
  const auto found = std::find_if(snapshots.begin(), snapshots.end(), [&](const SnapshotRecord& snapshot) {
    return snapshot.number == snapshot_number;
  });
  return found == snapshots.end() ? nullptr : &*found;
}

const DiskRecord* MachineRecord::find_disk(int key) const {
  const auto found =
      std::find_if(disks.begin(), disks.end(), [&](const DiskRecord& disk) { return disk.key == key; });
  return found == disks.end() ? nullptr : &*found;
}

std::vector<int> MachineRecord::frozen_deltas(const SnapshotRecord& snapshot) const {
  return {deltas.begin(), std::find(deltas.begin(), deltas.end(), snapshot.delta)};
}

bool MachineRecord::delta_is_needed(int delta) const {
  return std::any_of(snapshots.begin(), snapshots.end(),
                     [&](const SnapshotRecord& snapshot) { return snapshot.delta == delta; });
}

json MachineRecord::to_json() const {
  json snapshot_list = json::array();
  for (const SnapshotRecord& snapshot : snapshots) snapshot_list.push_back(json_of(snapshot));
  json disk_list = json::array();
  for (const DiskRecord& disk : disks) disk_list.push_back(json_of(disk));
  json open_list = json::array();
  for (const OpenDisk& open : open_disks) open_list.push_back({{"key", open.key}, {"server", open.server}});
  return {{"number", number},
          {"name", name},
          {"uuid", uuid},
          {"instance_uuid", instance_uuid},
          {"guest_id", guest_id},
          {"firmware", firmware},
          {"disk_controller", disk_controller},
          {"memory_mib", memory_mib},
          {"vcpus", vcpus},
          {"mac", mac},
          {"network", network},
          {"http_port", http_port},
          {"run_cpus", run_cpus},
          {"power", to_string(power)},
          {"pid", pid},
          {"host_port", host_port},
          {"boot_time", number_of(boot_time)},
          {"change_tracking_enabled", change_tracking_enabled},
          {"consolidation_needed", consolidation_needed},
          {"last_delta", last_delta},
          {"last_snapshot", last_snapshot},
          {"deltas", deltas},
          {"snapshots", std::move(snapshot_list)},
          {"disks", std::move(disk_list)},
          {"open_disks", std::move(open_list)},
          {"extra_config", extra_config}};
}

Result<MachineRecord> MachineRecord::from_json(const json& from) {
  try {
    MachineRecord record;
    read_hardware(from, record);
    read_state(from, record);
    return record;
  } catch (const json::exception& failure) {
    return error(ErrorCode::corrupt, "the record of a machine is damaged: {}", failure.what());
  }
}

std::string MachinePlaces::disk_name(const MachineRecord& record, int unit, int delta) {
  std::string name = record.name;
  if (unit > 0) name += fmt::format("_{}", unit);
  if (delta > 0) name += fmt::format("-{:06}", delta);
  return name + ".vmdk";
}

std::filesystem::path MachinePlaces::flat(const MachineRecord& record, int unit) const {
  const std::string name = disk_name(record, unit);
  return home(record) / (name.substr(0, name.size() - 5) + "-flat.vmdk");
}

std::filesystem::path MachinePlaces::delta(int unit, int number) const {
  return state / fmt::format("disk{}-delta{}.qcow2", unit, number);
}

}  // namespace rekindle::sandbox
