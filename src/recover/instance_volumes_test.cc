// Which volume of an instance is which disk of the machine.
#include <gmock/gmock.h>

#include "model/json.h"
#include "recover/failback_fixture.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class InstanceVolumesTest : public FailbackTest {
 protected:
  Job back_up_with(const std::vector<std::string>& volume_ids) {
    Failover record = failover();
    record.volume_ids = volume_ids;
    EXPECT_TRUE(catalog->put(record).ok());
    return run(instance_backup_procedure(site, *this),
               parameters_of(InstanceBackupRequest{"web", record.id}));
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

TEST_F(InstanceVolumesTest, OfAnEarlierVersionAreTakenInTheirOrder) {
  live_in_the_account();
  const Job job = back_up_with({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(stored(newest_point(), "disk-b") == site.instance_disk(instance(), 1));
}

}  // namespace
}  // namespace rekindle
