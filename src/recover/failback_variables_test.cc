// The variables of a machine's firmware on the way home.
#include <gmock/gmock.h>

#include "protect/firmware_variables.h"
#include "recover/failback_check.h"
#include "recover/failback_fixture.h"

namespace rekindle {
namespace {

class FailbackVariablesTest : public FailbackTest {
 protected:
  FailbackVariablesTest() {
    Machine machine = site.machine(id).value();
    machine.firmware = Firmware::uefi;
    const Bytes disks[] = {site.disk_content(id, 0), site.disk_content(id, 1)};
    site.add_machine(machine);
    for (std::size_t i = 0; i < 2; ++i) site.guest_writes(id, i, 0, disks[i]);
    site.set_firmware_variables(id, variables);
  }
  void back_up_instance() {
    const Job job = run(instance_backup_procedure(site, *this),
                        parameters_of(InstanceBackupRequest{"web", failover().id}));
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  }
  // What 'failback plan' says of them.
  std::vector<Finding> said(ComeHomeTo to) {
    auto found =
        check_failback({*catalog, site, *this, clock}, catalog->get<DrPlan>("plan").value(), {}, to, false)
            .value()
            .findings;
    std::erase_if(found, [](const Finding& finding) { return finding.topic != "firmware"; });
    return found;
  }
  MachineId home_of(const Job& job) { return MachineId(job.data.at("machine_id").get<std::string>()); }

  const Bytes variables = random.bytes(264 * kib);
};

TEST_F(FailbackVariablesTest, TheNewVmHasThoseOfTheMachineThatLeft) {
  live_in_the_account();
  site.set_firmware_variables(id, Bytes(10));  // what happens at home after it left is given up
  site.lose_machine(id);
  const Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(site.firmware_variables(home_of(job)).value() == variables);
}

TEST_F(FailbackVariablesTest, ARehearsalHasThemToo) {
  live_in_the_account();
  FailbackRequest request;
  request.test = true;
  const Job job = come_home(request);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_NE(home_of(job), id);
  EXPECT_TRUE(site.firmware_variables(home_of(job)).value() == variables);
}

TEST_F(FailbackVariablesTest, PointsOfTheInstanceKeepThem) {
  live_in_the_account();
  for (int i = 0; i < 2; ++i) {
    back_up_instance();
    EXPECT_EQ(newest_point().account, "account");
    EXPECT_TRUE(stored_firmware_variables(*the_vault, newest_point().id).value() == variables) << i;
  }
}

TEST_F(FailbackVariablesTest, WithoutThemANewVmIsMadeAllTheSame) {
  site.set_firmware_variables(id, {});
  live_in_the_account();
  back_up_instance();
  EXPECT_EQ(the_vault->get(newest_point().id)->disks.size(), 2U);
  site.lose_machine(id);
  const Job job = come_home();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(site.firmware_variables(home_of(job)).value().empty());
}

TEST_F(FailbackVariablesTest, ThatANewVmWouldNotHaveThemIsSaidBefore) {
  site.set_firmware_variables(id, {});
  live_in_the_account();
  const auto found = said(ComeHomeTo::fresh);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].light, Light::yellow);
  EXPECT_THAT(found[0].sentence, testing::HasSubstr("EFI/BOOT/BOOTX64.EFI"));
  EXPECT_TRUE(said(ComeHomeTo::automatic).empty()) << "the VM of before has its own";
}

TEST_F(FailbackVariablesTest, WhereTheyAreStoredNothingIsSaid) {
  live_in_the_account();
  EXPECT_TRUE(said(ComeHomeTo::fresh).empty());
}

}  // namespace
}  // namespace rekindle
