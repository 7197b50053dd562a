#include "protect/firmware_variables.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

class FirmwareVariablesTest : public ProtectTest {
 protected:
  FirmwareVariablesTest() {
    boot_by(Firmware::uefi);
    scatter(20);
  }

  void boot_by(Firmware firmware) {
    Machine machine = site.machine(id).value();
    machine.firmware = firmware;
    site.add_machine(machine);
  }
  void back_up_with(Bytes variables) {
    site.set_firmware_variables(id, std::move(variables));
    const Job job = back_up();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  }
  void cannot_be_read() {
    site.set_fault([](std::string_view method, bool) -> Result<> {
      return method == "firmware_variables" ? Result<>(error(ErrorCode::permission_denied, "no"))
                                            : Result<>();
    });
  }
  Bytes stored(const RecoveryPoint& point) {
    auto variables = stored_firmware_variables(*the_vault, point.id);
    EXPECT_TRUE(variables.ok()) << variables.error().message();
    return variables.ok() ? *std::move(variables) : Bytes();
  }
};

TEST_F(FirmwareVariablesTest, EachPointHasThoseOfItsInstant) {
  std::vector<Bytes> history;
  for (const std::size_t size :
       {std::size_t{264 * kib}, std::size_t{1}, std::size_t{most_firmware_variables_bytes},
        std::size_t{64 * kib}, std::size_t{64 * kib - 4}, std::size_t{64 * kib - 3}}) {
    history.push_back(seeded.bytes(size));
    back_up_with(history.back());
  }
  const auto points = catalog->list<RecoveryPoint>("web").value();
  ASSERT_EQ(points.size(), history.size());
  for (std::size_t i = 0; i < history.size(); ++i) {
    EXPECT_TRUE(stored(points[i]) == history[i]) << i;
    EXPECT_EQ(points[i].full, i == 0) << "they are no reason to read the disks whole";
  }
}

TEST_F(FirmwareVariablesTest, AreNoDiskOfTheMachine) {
  back_up_with(seeded.bytes(1000));
  EXPECT_EQ(newest_point().disks.size(), 2U);
  const VaultPoint point = the_vault->get(newest_point().id).value();
  EXPECT_EQ(point.disks.size(), 3U);
  const auto disks = disks_of_machine(point);
  ASSERT_EQ(disks.size(), 2U);
  EXPECT_EQ(disks[0].id, DiskId("disk-a"));
  EXPECT_EQ(disks[1].id, DiskId("disk-b"));
  EXPECT_EQ(restored(newest_point(), "disk-a"), site.disk_content(id, 0));
}

TEST_F(FirmwareVariablesTest, ThatDoNotChangeAreStoredOnce) {
  const Bytes variables = seeded.bytes(512 * kib);
  back_up_with(variables);
  back_up_with(variables);
  EXPECT_LT(newest_point().bytes_stored, 64 * kib);
  EXPECT_TRUE(stored(newest_point()) == variables);
}

TEST_F(FirmwareVariablesTest, ThatCannotBeReadAreThoseOfBefore) {
  const Bytes first = seeded.bytes(1000);
  back_up_with(first);
  cannot_be_read();
  for (const bool full : {false, true}) {
    const Job job = back_up(full);
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
    EXPECT_TRUE(stored(newest_point()) == first) << full;
  }
  site.set_fault({});
  const Bytes later = seeded.bytes(100);
  back_up_with(later);
  EXPECT_EQ(stored(newest_point()), later);
  back_up_with({});  // read, and there are none
  EXPECT_TRUE(stored(newest_point()).empty());
}

TEST_F(FirmwareVariablesTest, ThatCouldNeverBeReadAreMissing) {
  cannot_be_read();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(back_up().state, JobState::succeeded);
    EXPECT_EQ(the_vault->get(newest_point().id)->disks.size(), 2U);
  }
}

// As by a kill after the point was stored and before the job was saved.
TEST_F(FirmwareVariablesTest, ThatChangeBetweenTwoAttemptsDoNotCostThePoint) {
  const Bytes some = seeded.bytes(1000);
  const Bytes others = seeded.bytes(2000);
  for (const auto& [before, after] :
       {std::pair(some, others), std::pair(some, Bytes()), std::pair(Bytes(), some)}) {
    site.set_firmware_variables(id, before);
    JobProcedure procedure = backup_procedure(site, *this);
    const auto read = std::ranges::find(procedure.steps, "read", &Step::name);
    ASSERT_NE(read, procedure.steps.end());
    read->perform = [&, once = read->perform](StepContext& context) -> Result<> {
      TRY(once(context));
      site.set_firmware_variables(id, after);
      return once(context);
    };
    clock.sleep(std::chrono::milliseconds(2));
    JobRunner runner(*catalog, clock, random, observer);
    const Job job =
        runner.start(procedure, "web", parameters_of(BackupRequest{"dc", "vault", "web", id})).value();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
    EXPECT_TRUE(stored(newest_point()) == before);
  }
}

TEST_F(FirmwareVariablesTest, ThatAreTooManyAreLeftOut) {
  back_up_with(Bytes(most_firmware_variables_bytes + 1));
  EXPECT_TRUE(stored(newest_point()).empty());
}

TEST_F(FirmwareVariablesTest, OfAMachineWithABiosAreNotAskedFor) {
  boot_by(Firmware::bios);
  bool asked = false;
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    asked = asked || method == "firmware_variables";
    return {};
  });
  back_up_with(seeded.bytes(10));
  EXPECT_FALSE(asked);
  EXPECT_TRUE(stored(newest_point()).empty());
  EXPECT_EQ(the_vault->get(newest_point().id)->disks.size(), 2U);
}

TEST_F(FirmwareVariablesTest, OfAPointThatIsGoneAreAnError) {
  EXPECT_EQ(stored_firmware_variables(*the_vault, RecoveryPointId("gone")).error().code(),
            ErrorCode::not_found);
}

}  // namespace
}  // namespace rekindle
