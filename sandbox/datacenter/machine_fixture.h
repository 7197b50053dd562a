// For tests: a VM with empty disks, whose CPUs stand still unless a test wants them to run; the test writes
// to its disks in the guest's place.
#pragma once

#include <gtest/gtest.h>

#include "base/file.h"
#include "sandbox/datacenter/machine.h"

namespace rekindle::sandbox {

class MachineFixture : public testing::Test {
 protected:
  static constexpr std::uint64_t capacity = 64 * mib;

  void SetUp() override { machine_ = make(2); }
  void TearDown() override {
    if (machine_) machine_->kill();
  }

  std::unique_ptr<Machine> make(int disks, bool run_cpus = false) {
    MachineRecord record;
    record.number = 1;
    record.name = "web";
    record.uuid = "564d0000-0000-4000-8000-000000000001";
    record.instance_uuid = "52000000-0000-4000-8000-000000000001";
    record.mac = "00:50:56:00:00:01";
    record.memory_mib = 32;
    record.run_cpus = run_cpus;
    const MachinePlaces places = this->places();
    EXPECT_TRUE(make_directories(places.home(record)).ok());
    for (int unit = 0; unit < disks; ++unit) {
      record.disks.push_back({2000 + unit, capacity, "6000C29" + std::to_string(unit), {}});
      EXPECT_TRUE(File::open(places.flat(record, unit), File::Mode::create)->resize(capacity).ok());
    }
    return Machine::create(record, places, {}).value();
  }
  MachinePlaces places() const { return {folder_.path() / "datastore1", folder_.path() / "web"}; }

  // As a server that starts again.
  void restart_server() {
    machine_.reset();
    machine_ = Machine::load(places(), {}).value();
  }

  // Writes 64 KiB of `pattern` at a MiB, through the virtual device.
  void guest_writes(int pattern, int at_mib, int unit = 0) {
    const auto said =
        machine_->monitor(fmt::format("qemu-io -d disk{} \"write -P {} {}M 64k\"", unit, pattern, at_mib));
    ASSERT_TRUE(said.ok()) << said.error().message();
    ASSERT_EQ(*said, "") << "only failures are said here";
  }
  // The byte that fills those 64 KiB of the flat file; -1 when they are not all the same.
  int flat_holds(int at_mib, int unit = 0) const {
    Bytes bytes(64 * kib);
    const File file = File::open(machine_->places().flat(machine_->record(), unit), File::Mode::read).value();
    EXPECT_TRUE(file.read_at(static_cast<std::uint64_t>(at_mib) * mib, bytes).ok());
    const bool same =
        std::all_of(bytes.begin(), bytes.end(), [&](std::byte byte) { return byte == bytes[0]; });
    return same ? std::to_integer<int>(bytes[0]) : -1;
  }
  static Areas at(const std::vector<int>& mibs) {
    std::vector<Area> areas;
    for (const int start : mibs) areas.push_back({static_cast<std::uint64_t>(start) * mib, 64 * kib});
    return merged(std::move(areas));
  }

  int snapshot(const std::string& name = "dr") {
    return machine_->create_snapshot({name, "", false}).value();
  }
  std::string change_id(int snapshot, int unit = 0) const {
    return machine_->record().find_snapshot(snapshot)->disks.at(static_cast<std::size_t>(unit)).change_id;
  }

  TemporaryDirectory folder_ = TemporaryDirectory::make("dc").value();
  std::unique_ptr<Machine> machine_;
};

}  // namespace rekindle::sandbox
