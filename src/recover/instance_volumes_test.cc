// Which volume of an instance is which disk of the machine.
#include <gmock/gmock.h>

#include "model/json.h"
#include "recover/failback_check.h"
#include "recover/failback_fixture.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class InstanceVolumesTest : public FailbackTest {
 protected:
  Job back_up_with(const std::vector<std::string>& volume_ids) {
    Failover record = failover();
    record.volume_ids = volume_ids;
    EXPECT_TRUE(catalog->put(record).ok());
    return run(instance_backup_procedure(site, *this),
               parameters_of(InstanceBackupRequest{"web", record.id}));
  }
  // Attached under a device name that comes before that of the data disk.
  void somebody_attaches_a_volume() { site.attach_volume(instance(), 1, "stranger", Bytes(1 * mib)); }
  // What 'failback plan' says of the volumes: "red: ..."
  std::vector<std::string> said_of_volumes() {
    const auto plan = catalog->get<DrPlan>("plan").value();
    const auto found = check_failback({*catalog, site, *this, clock}, plan, {}, ComeHomeTo::automatic, false);
    std::vector<std::string> said;
    for (const Finding& finding : found.value().findings) {
      if (finding.topic == "volumes")
        said.push_back(fmt::format("{}: {}", to_string(finding.light), finding.sentence));
    }
    return said;
  }
};

TEST_F(InstanceVolumesTest, AreRecordedAtTheLaunch) {
  live_in_the_account();
  EXPECT_THAT(failover().volume_ids, ElementsAre("disk-0", "disk-1"));
}

TEST_F(InstanceVolumesTest, AreFoundByTheirIdsAndNotByTheirPlace) {
  live_in_the_account();
  const Job job = back_up_with({"disk-1", "disk-0"});
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("the volume disk-1")) << "which is not of the boot disk's size";
}

TEST_F(InstanceVolumesTest, OneThatIsMissingIsSaidAndNotReplacedByAnother) {
  live_in_the_account();
  const Job job = back_up_with({"disk-0", "disk-9"});
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("the volume disk-9"));
  EXPECT_EQ(newest_point().account, "");
}

// Finding a snapshot does not wait until it can be read; making it, by its name, does.
TEST_F(InstanceVolumesTest, AreFrozenOnceAndWaitedForAgainAfterALostAnswer) {
  live_in_the_account();
  int asked_for = 0;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method != "freeze_instance") return {};
    if (!done) {
      ++asked_for;
      return {};
    }
    return error(ErrorCode::unavailable, "the connection broke");
  });
  const Job job = back_up_with(failover().volume_ids);
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(asked_for, 2);
  EXPECT_EQ(site.find_images({{token_tag, "rekindle-" + job.id.str()}})->size(), 2U);
}

TEST_F(InstanceVolumesTest, OneThatSomebodyAttachedIsLeftOutWhereverItIsListed) {
  live_in_the_account();
  somebody_attaches_a_volume();
  EXPECT_THAT(said_of_volumes(),
              ElementsAre("yellow: stranger was added in the account: it does not come home"));
  const Job job = back_up_with(failover().volume_ids);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(stored(newest_point(), "disk-b") == site.instance_disk(instance(), 2));
}

TEST_F(InstanceVolumesTest, AreCheckedBeforehandByTheirIdsAsTheyAreBackedUp) {
  live_in_the_account();
  EXPECT_THAT(said_of_volumes(), IsEmpty());
  Failover record = failover();
  record.volume_ids = {"disk-1", "disk-0"};  // the instance lists them the other way round
  ASSERT_TRUE(catalog->put(record).ok());
  EXPECT_THAT(said_of_volumes(), ElementsAre(HasSubstr("red: the volume disk-1 has 3.0 MiB now")));
  record.volume_ids = {"disk-0", "disk-9"};
  ASSERT_TRUE(catalog->put(record).ok());
  EXPECT_THAT(said_of_volumes(), ElementsAre(HasSubstr("red: the volume disk-9")));
}

TEST_F(InstanceVolumesTest, OfAnEarlierVersionAreTakenInTheirOrder) {
  live_in_the_account();
  const Job job = back_up_with({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(stored(newest_point(), "disk-b") == site.instance_disk(instance(), 1));
}

}  // namespace
}  // namespace rekindle
