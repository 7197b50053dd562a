// The datacenter's other half: machines that failback makes, writes and starts.
#include <algorithm>

#include "site/memory_site.h"

namespace rekindle {

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

}  // namespace

// A disk of a machine that is off. What is written is what its guest would have written.
class MemoryMachineDisk final : public BlockTarget {
 public:
  MemoryMachineDisk(MemorySite& site, MachineId id, std::size_t position, std::uint64_t size)
      : site_(site), id_(std::move(id)), position_(position), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<> read_at(std::uint64_t offset, ByteSpan bytes) override {
    const Bytes content = site_.disk_content(id_, position_);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), bytes.size(), bytes.begin());
    return {};
  }
  Result<> write_at(std::uint64_t offset, ByteView bytes) override {
    const Lock lock(site_.mutex_);
    TRY(site_.before("write_disk"));
    site_.guest_writes(id_, position_, offset, bytes);
    site_.bytes_restored_ += bytes.size();
    return site_.after("write_disk");
  }
  Result<> flush() override { return {}; }

 private:
  MemorySite& site_;
  MachineId id_;
  std::size_t position_;
  std::uint64_t size_;
};

// A network named "none" does not exist, a datastore "full" has no room.
Result<> MemorySite::check_new_machine(const NewMachine& wanted) {
  const Lock lock(mutex_);
  TRY(before("check_new_machine"));
  if (wanted.datastore == "full") return error(ErrorCode::exhausted, "the datastore full has no room");
  for (const NicSpec& nic : wanted.machine.nics) {
    const auto mapped = wanted.networks.find(nic.network);
    if ((mapped == wanted.networks.end() ? nic.network : mapped->second) == "none")
      return error(ErrorCode::invalid_argument, "there is no network none");
  }
  return {};
}

Result<> MemorySite::check_writable(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("check_writable"));
  const Guest* guest = TRY(find_guest(id));
  if (guest->snapshots.empty()) return {};
  return error(ErrorCode::failed_precondition, "{} has snapshots: remove them", guest->machine.name);
}

Result<MachineId> MemorySite::create_machine(const NewMachine& wanted) {
  const Lock lock(mutex_);
  TRY(before("create_machine"));
  for (const auto& [id, guest] : guests_) {
    if (guest.token == wanted.token) return MachineId(id);
  }
  Machine machine = wanted.machine;
  if (wanted.keep_ids && guests_.contains(machine.id.str()))
    return error(ErrorCode::failed_precondition, "there is a machine {}", machine.id);
  if (!wanted.keep_ids) machine.id = MachineId(next_id("machine"));
  machine.power = PowerState::off;
  machine.change_tracking = true;
  for (DiskSpec& disk : machine.disks) {
    if (!wanted.keep_ids) disk.id = DiskId(next_id("disk"));
  }
  for (NicSpec& nic : machine.nics) {
    const auto mapped = wanted.networks.find(nic.network);
    if (mapped != wanted.networks.end()) nic.network = mapped->second;
    if (!wanted.keep_mac_addresses) nic.mac_address = "00:50:56:00:00:99";
  }
  const MachineId id = machine.id;
  add_machine(std::move(machine));
  Guest& guest = guests_.at(id.str());
  guest.token = wanted.token;
  guest.firmware_variables = wanted.firmware_variables;
  TRY(after("create_machine"));
  return id;
}

Result<std::optional<MachineId>> MemorySite::find_machine(const std::string& token) {
  const Lock lock(mutex_);
  TRY(before("find_machine"));
  for (const auto& [id, guest] : guests_) {
    if (guest.token == token) return std::optional(MachineId(id));
  }
  return std::optional<MachineId>();
}

Result<> MemorySite::remove_machine(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("remove_machine"));
  guests_.erase(id.str());
  return after("remove_machine");
}

Result<> MemorySite::power_on(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("power_on"));
  TRY(find_guest(id))->machine.power = PowerState::on;
  return after("power_on");
}

Result<> MemorySite::power_off(const MachineId& id) {
  const Lock lock(mutex_);
  TRY(before("power_off"));
  TRY(find_guest(id))->machine.power = PowerState::off;
  return after("power_off");
}

Result<std::unique_ptr<BlockTarget>> MemorySite::open_disk_to_write(const MachineId& id, const DiskId& disk) {
  const Lock lock(mutex_);
  TRY(before("open_disk_to_write"));
  const Guest* guest = TRY(find_guest(id));
  if (guest->machine.power != PowerState::off || !guest->snapshots.empty())
    return error(ErrorCode::failed_precondition, "{} is not off, or has snapshots", guest->machine.name);
  for (std::size_t i = 0; i < guest->machine.disks.size(); ++i) {
    if (guest->machine.disks[i].id != disk) continue;
    return std::unique_ptr<BlockTarget>(
        std::make_unique<MemoryMachineDisk>(*this, id, i, guest->disks[i].content.size()));
  }
  return error(ErrorCode::not_found, "{} has no disk {}", guest->machine.name, disk);
}

}  // namespace rekindle
