// The product's vSphere site against the local datacenter: neither half has seen the other's reading of
// vim25.
#include <gtest/gtest.h>

#include "base/file.h"
#include "sandbox/datacenter/datacenter.h"
#include "vmware/vsphere_site.h"

namespace rekindle {
namespace {

class VsphereSiteContract : public testing::Test {
 protected:
  static constexpr std::uint64_t disk_bytes = 64 * mib;

  void SetUp() override {
    sandbox::DatacenterOptions options;
    options.directory = directory.path();
    options.password = "secret";
    options.areas_per_reply = 3;  // so that replies are paged
    datacenter = sandbox::Datacenter::start(options).value();
    sandbox::MachineSpec spec;
    spec.name = "web";
    spec.empty_disks_bytes = {disk_bytes};
    spec.run_cpus = false;  // on, before its first instruction: only the monitor writes
    ASSERT_TRUE(datacenter->add_machine(spec).ok());
    site = connect("secret").value();
    machine = site->machines().value().at(0);
  }

  void TearDown() override {
    site.reset();
    if (datacenter) {
      EXPECT_TRUE(datacenter->disaster().ok());
    }
  }

  Result<std::unique_ptr<VsphereSite>> connect(const std::string& password) {
    VsphereOptions options;
    options.url = datacenter->url();
    options.user = "root";
    options.password = password;
    options.thumbprint = datacenter->thumbprint();
    return VsphereSite::connect(options, clock, random);
  }

  // Writes a pattern in the guest's place.
  void guest_writes(std::uint64_t offset, std::uint64_t length, int pattern) {
    const auto answer = datacenter->monitor(
        "web", fmt::format("qemu-io -d disk0 \"write -P {:#x} {} {}\"", pattern, offset, length));
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    ASSERT_EQ(answer->find("rror"), std::string::npos) << *answer;
  }

  static Bytes read(BlockSource& source, std::uint64_t offset, std::uint64_t length) {
    Bytes bytes(length);
    const auto result = source.read_at(offset, bytes);
    EXPECT_TRUE(result.ok()) << result.error().message();
    return bytes;
  }

  TemporaryDirectory directory = TemporaryDirectory::make("rk").value();
  SystemClock clock;
  SystemRandom random;
  std::unique_ptr<sandbox::Datacenter> datacenter;
  std::unique_ptr<VsphereSite> site;
  Machine machine;
};

TEST_F(VsphereSiteContract, DescribesTheMachine) {
  EXPECT_EQ(machine.name, "web");
  EXPECT_EQ(machine.power, PowerState::on);
  ASSERT_EQ(machine.disks.size(), 1U);
  EXPECT_EQ(machine.disks[0].size_bytes, disk_bytes);
  EXPECT_EQ(machine.refused_because, "");
}

TEST_F(VsphereSiteContract, RefusesAWrongPasswordWithTheWayOut) {
  const auto refused = connect("wrong");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
}

TEST_F(VsphereSiteContract, ASnapshotIsFrozenAndItsChangesAreExact) {
  ASSERT_TRUE(site->enable_change_tracking(machine.id).ok());
  guest_writes(1 * mib, 64 * kib, 0x11);
  const auto first = site->create_snapshot(machine.id, "rekindle-1").value();
  ASSERT_FALSE(first.disks.at(0).change_id.empty());
  guest_writes(1 * mib, 64 * kib, 0x22);  // after the instant
  const DiskId disk = first.disks[0].disk;
  {
    const auto frozen = site->open_disk(first, disk).value();
    EXPECT_EQ(read(*frozen, 1 * mib, 64 * kib), Bytes(64 * kib, std::byte{0x11}));
    EXPECT_TRUE(all_zero(read(*frozen, 2 * mib, 64 * kib)));
  }
  ASSERT_TRUE(site->remove_snapshot(machine.id, first.id).ok());

  for (std::uint64_t i = 0; i < 8; ++i) guest_writes((10 + 2 * i) * mib, 64 * kib, 0x33);
  const auto second = site->create_snapshot(machine.id, "rekindle-2").value();
  const Extents areas = site->changed_areas(second, disk, first.disks[0].change_id).value();
  Extents expected = {{1 * mib, 64 * kib}};
  for (std::uint64_t i = 0; i < 8; ++i) expected.push_back({(10 + 2 * i) * mib, 64 * kib});
  EXPECT_EQ(areas, expected) << "over several replies of three areas";
  {
    const auto frozen = site->open_disk(second, disk).value();
    EXPECT_EQ(read(*frozen, 1 * mib, 64 * kib), Bytes(64 * kib, std::byte{0x22}));
    EXPECT_EQ(read(*frozen, 24 * mib, 64 * kib), Bytes(64 * kib, std::byte{0x33}));
  }
  ASSERT_TRUE(site->remove_snapshot(machine.id, second.id).ok());
  EXPECT_TRUE(site->snapshots(machine.id)->empty());
}

TEST_F(VsphereSiteContract, SaysThatAFullBackupIsNeededAfterTrackingWasReset) {
  ASSERT_TRUE(site->enable_change_tracking(machine.id).ok());
  const auto first = site->create_snapshot(machine.id, "rekindle-1").value();
  ASSERT_TRUE(site->remove_snapshot(machine.id, first.id).ok());
  ASSERT_TRUE(datacenter->reset_change_tracking("web").ok());
  const auto second = site->create_snapshot(machine.id, "rekindle-2").value();
  const auto areas = site->changed_areas(second, first.disks[0].disk, first.disks[0].change_id);
  ASSERT_FALSE(areas.ok());
  EXPECT_EQ(areas.error().code(), ErrorCode::failed_precondition);
  EXPECT_TRUE(site->remove_snapshot(machine.id, second.id).ok());
}

TEST_F(VsphereSiteContract, RemovingWhatIsGoneIsFineAndAMissingMachineIsSaid) {
  const auto snapshot = site->create_snapshot(machine.id, "rekindle-1").value();
  ASSERT_TRUE(site->remove_snapshot(machine.id, snapshot.id).ok());
  EXPECT_TRUE(site->remove_snapshot(machine.id, snapshot.id).ok());
  EXPECT_EQ(site->find_snapshot(machine.id, snapshot.id).error().code(), ErrorCode::not_found);
  ASSERT_TRUE(datacenter->delete_machine("web").ok());
  EXPECT_EQ(site->machine(machine.id).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
