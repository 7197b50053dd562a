#include "site/memory_site.h"
#include "site/restore_conformance_test.h"

namespace rekindle {
namespace {

NewMachine two_disks() {
  NewMachine wanted;
  wanted.machine.name = "web";
  wanted.machine.memory_mib = 512;
  wanted.machine.guest_os = "debian12_64Guest";
  wanted.machine.disks = {{DiskId("a"), "Hard disk 1", 16 * mib, 0, ""},
                          {DiskId("b"), "Hard disk 2", 16 * mib, 1, ""}};
  wanted.machine.nics = {{"Network adapter 1", "00:50:56:00:00:01", "VM Network", "vmxnet3"}};
  wanted.token = "token-1";
  return wanted;
}

struct MemoryFixture {
  RestoreTarget& target() { return site; }
  SnapshotSource& source() { return site; }
  NewMachine wanted() { return two_disks(); }
  MemorySite site;
};
INSTANTIATE_TYPED_TEST_SUITE_P(MemorySite, RestoreConformance, MemoryFixture);

TEST(MemorySiteRestore, RefusesWhatIsNotThere) {
  MemorySite site;
  NewMachine wanted = two_disks();
  wanted.datastore = "full";
  EXPECT_EQ(site.check_new_machine(wanted).error().code(), ErrorCode::exhausted);
  wanted.datastore = "";
  wanted.networks["VM Network"] = "none";
  EXPECT_EQ(site.check_new_machine(wanted).error().code(), ErrorCode::invalid_argument);
  wanted.networks["VM Network"] = "other";
  EXPECT_TRUE(site.check_new_machine(wanted).ok());
  EXPECT_EQ(site.machine(site.create_machine(wanted).value())->nics.at(0).network, "other");
}

TEST(MemorySiteRestore, MakesOneMachineWhenTheAnswerIsLost) {
  MemorySite site;
  bool lost = false;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method != "create_machine" || !done || std::exchange(lost, true)) return {};
    return Error(ErrorCode::unavailable, "connection reset");
  });
  EXPECT_FALSE(site.create_machine(two_disks()).ok());
  const MachineId id = site.create_machine(two_disks()).value();
  EXPECT_EQ(site.find_machine("token-1").value(), id);
  EXPECT_EQ(site.machines()->size(), 1U);
}

}  // namespace
}  // namespace rekindle
