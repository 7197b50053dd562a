// What every RestoreTarget must do, together with the SnapshotSource of the same site. A new implementation
// adds:
//   struct MyFixture {
//     RestoreTarget& target(); SnapshotSource& source();
//     NewMachine wanted();             // fits there: two disks of at least 16 MiB, one network card
//     std::string why_skipped();       // optional; empty: all it needs is here
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(MySite, RestoreConformance, MyFixture);
#pragma once

#include <gtest/gtest.h>

#include "base/random.h"
#include "site/restore_target.h"
#include "site/snapshot_source.h"

namespace rekindle {

template <typename Fixture>
class RestoreConformance : public testing::Test {
 protected:
  void SetUp() override {
    if constexpr (requires { fixture.why_skipped(); }) {
      if (const std::string reason = fixture.why_skipped(); !reason.empty()) GTEST_SKIP() << reason;
    }
    wanted = fixture.wanted();
    wanted.token = "token-1";
  }
  RestoreTarget& target() { return fixture.target(); }
  SnapshotSource& source() { return fixture.source(); }

  MachineId create() {
    const auto made = target().create_machine(wanted);
    EXPECT_TRUE(made.ok()) << made.error().message();
    return made.ok() ? *made : MachineId();
  }
  DiskId disk_of(const MachineId& id, std::size_t position = 0) {
    return source().machine(id).value().disks.at(position).id;
  }
  void write(const MachineId& id, std::uint64_t offset, ByteView bytes, std::size_t position = 0) {
    const auto disk = target().open_disk_to_write(id, disk_of(id, position));
    ASSERT_TRUE(disk.ok()) << disk.error().message();
    const Result<> written = (*disk)->write_at(offset, bytes);
    ASSERT_TRUE(written.ok()) << written.error().message();
    ASSERT_TRUE((*disk)->flush().ok());
  }
  MachineSnapshot snapshot(const MachineId& id, const std::string& name) {
    auto taken = source().create_snapshot(id, name);
    EXPECT_TRUE(taken.ok()) << taken.error().message();
    return taken.ok() ? *std::move(taken) : MachineSnapshot();
  }
  Bytes frozen(const MachineSnapshot& taken, Extent range, std::size_t position = 0) {
    Bytes bytes(range.length);
    const auto disk = source().open_disk(taken, taken.disks.at(position).disk);
    EXPECT_TRUE(disk.ok() && (*disk)->read_at(range.offset, bytes).ok());
    return bytes;
  }

  Fixture fixture;
  NewMachine wanted;
};

TYPED_TEST_SUITE_P(RestoreConformance);

TYPED_TEST_P(RestoreConformance, MakesAMachineAsItIsWanted) {
  ASSERT_TRUE(this->target().check_new_machine(this->wanted).ok());
  const MachineId id = this->create();
  const auto made = this->source().machine(id);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const Machine& asked = this->wanted.machine;
  EXPECT_EQ(made->name, asked.name);
  EXPECT_EQ(made->power, PowerState::off);
  EXPECT_EQ(made->firmware, asked.firmware);
  EXPECT_EQ(made->vcpus, asked.vcpus);
  EXPECT_EQ(made->memory_mib, asked.memory_mib);
  EXPECT_EQ(made->guest_os, asked.guest_os);
  EXPECT_TRUE(made->change_tracking);
  ASSERT_EQ(made->disks.size(), asked.disks.size());
  for (std::size_t i = 0; i < asked.disks.size(); ++i)
    EXPECT_EQ(made->disks[i].size_bytes, asked.disks[i].size_bytes);
  ASSERT_EQ(made->nics.size(), 1U);
  EXPECT_EQ(made->nics[0].mac_address, asked.nics.at(0).mac_address);
  const MachineSnapshot taken = this->snapshot(id, "first");
  EXPECT_TRUE(all_zero(this->frozen(taken, {0, mib})));
}

TYPED_TEST_P(RestoreConformance, TheSameTokenIsTheSameMachine) {
  EXPECT_EQ(this->target().find_machine("token-1").value(), std::nullopt);
  const MachineId id = this->create();
  EXPECT_EQ(this->create(), id);
  EXPECT_EQ(this->target().find_machine("token-1").value(), id);
  EXPECT_EQ(this->target().find_machine("token-2").value(), std::nullopt);
  std::size_t count = 0;
  const auto machines = this->source().machines().value();
  for (const Machine& machine : machines) count += machine.name == this->wanted.machine.name ? 1U : 0U;
  EXPECT_EQ(count, 1U);
}

TYPED_TEST_P(RestoreConformance, GivesAnotherAddressToACopyThatRunsBesideTheOriginal) {
  this->wanted.keep_mac_addresses = false;
  const Machine made = this->source().machine(this->create()).value();
  EXPECT_NE(made.nics.at(0).mac_address, this->wanted.machine.nics.at(0).mac_address);
  EXPECT_FALSE(made.nics.at(0).mac_address.empty());
}

TYPED_TEST_P(RestoreConformance, WhatIsWrittenIsRead) {
  SeededRandom random(3);
  const Bytes content = random.bytes(3 * mib + 512);
  const MachineId id = this->create();
  this->write(id, 5 * mib, content);
  this->write(id, 0, ByteView(content).first(mib), 1);
  {
    const auto disk = this->target().open_disk_to_write(id, this->disk_of(id)).value();
    Bytes read(content.size());
    ASSERT_TRUE(disk->read_at(5 * mib, read).ok());
    EXPECT_EQ(read, content);
    EXPECT_EQ(disk->size(), this->wanted.machine.disks[0].size_bytes);
  }
  const MachineSnapshot taken = this->snapshot(id, "after");
  EXPECT_EQ(this->frozen(taken, {5 * mib, content.size()}), content);
  EXPECT_TRUE(all_zero(this->frozen(taken, {0, 5 * mib})));
  EXPECT_EQ(this->frozen(taken, {0, mib}, 1), to_bytes(ByteView(content).first(mib)));
}

TYPED_TEST_P(RestoreConformance, ChangedBlockTrackingSeesExactlyWhatIsWritten) {
  const MachineId id = this->create();
  const MachineSnapshot first = this->snapshot(id, "first");
  ASSERT_FALSE(first.disks.at(0).change_id.empty());
  ASSERT_TRUE(this->source().remove_snapshot(id, first.id).ok());
  this->write(id, mib, Bytes(64 * kib, std::byte{1}));
  this->write(id, 4 * mib - 512, Bytes(1024, std::byte{2}));  // in two units
  {
    const auto disk = this->target().open_disk_to_write(id, this->disk_of(id)).value();
    ASSERT_TRUE(disk->write_zeros(8 * mib, 128 * kib).ok());
  }
  const MachineSnapshot second = this->snapshot(id, "second");
  const auto changed = this->source().changed_areas(second, second.disks[0].disk, first.disks[0].change_id);
  ASSERT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_EQ(*changed, (Extents{{mib, 64 * kib}, {4 * mib - 64 * kib, 128 * kib}, {8 * mib, 128 * kib}}));
  const auto other = this->source().changed_areas(second, second.disks[1].disk, first.disks[1].change_id);
  EXPECT_EQ(other.value(), Extents{});
}

TYPED_TEST_P(RestoreConformance, IsTurnedOnAndOffAsOftenAsAsked) {
  const MachineId id = this->create();
  for (const PowerState state : {PowerState::off, PowerState::on, PowerState::on, PowerState::off}) {
    const Result<> done =
        state == PowerState::on ? this->target().power_on(id) : this->target().power_off(id);
    ASSERT_TRUE(done.ok()) << done.error().message();
    EXPECT_EQ(this->source().machine(id).value().power, state);
  }
}

TYPED_TEST_P(RestoreConformance, WritesNoDiskThatIsInUse) {
  const MachineId id = this->create();
  const DiskId disk = this->disk_of(id);
  ASSERT_TRUE(this->target().power_on(id).ok());
  EXPECT_EQ(this->target().open_disk_to_write(id, disk).error().code(), ErrorCode::failed_precondition);
  ASSERT_TRUE(this->target().power_off(id).ok());
  EXPECT_TRUE(this->target().check_writable(id).ok());
  const MachineSnapshot taken = this->snapshot(id, "a snapshot");
  EXPECT_EQ(this->target().check_writable(id).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(this->target().check_writable(MachineId("nobody")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(this->target().open_disk_to_write(id, disk).error().code(), ErrorCode::failed_precondition);
  ASSERT_TRUE(this->source().remove_snapshot(id, taken.id).ok());
  EXPECT_TRUE(this->target().open_disk_to_write(id, disk).ok());
  EXPECT_EQ(this->target().open_disk_to_write(id, DiskId("no disk")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(this->target().open_disk_to_write(MachineId("nobody"), disk).error().code(),
            ErrorCode::not_found);
}

TYPED_TEST_P(RestoreConformance, RemovesAMachineThatRunsAndOneThatIsGone) {
  const MachineId id = this->create();
  ASSERT_TRUE(this->target().power_on(id).ok());
  const Result<> removed = this->target().remove_machine(id);
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_EQ(this->source().machine(id).error().code(), ErrorCode::not_found);
  EXPECT_EQ(this->target().find_machine("token-1").value(), std::nullopt);
  EXPECT_TRUE(this->target().remove_machine(id).ok());
  EXPECT_EQ(this->target().power_on(id).error().code(), ErrorCode::not_found);
}

REGISTER_TYPED_TEST_SUITE_P(RestoreConformance, MakesAMachineAsItIsWanted, TheSameTokenIsTheSameMachine,
                            GivesAnotherAddressToACopyThatRunsBesideTheOriginal, WhatIsWrittenIsRead,
                            ChangedBlockTrackingSeesExactlyWhatIsWritten, IsTurnedOnAndOffAsOftenAsAsked,
                            WritesNoDiskThatIsInUse, RemovesAMachineThatRunsAndOneThatIsGone);

}  // namespace rekindle
