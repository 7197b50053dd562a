#include "protect/retired_copies.h"

#include "protect/copy_damage.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

// How many complete copies a plan keeps.
class KeptCopies : public ProtectTest {
 protected:
  KeptCopies() { keep(2); }

  void keep(int copies) {
    auto plan = catalog->get<DrPlan>("plan").value();
    plan.keep_copies = copies;
    plan.convert = ConvertWhen::at_failover;
    EXPECT_TRUE(catalog->put(plan).ok());
  }
  // A new point, and a copy of it.
  RecoveryPoint update() {
    scatter(5);
    EXPECT_EQ(back_up().state, JobState::succeeded);
    const Job job = replicate();
    EXPECT_EQ(job.state, JobState::succeeded) << job.error;
    return newest_point();
  }
  std::vector<RecoveryPointId> points_of(DrCopyState state) {
    std::vector<RecoveryPointId> points;
    for (const DrCopy& copy : copies()) {
      if (copy.state == state) points.push_back(copy.recovery_point_id);
    }
    return points;
  }
  void expect_images(std::size_t count) {
    EXPECT_EQ(site.image_count(), count);
    EXPECT_EQ(catalog->ledger()->size(), count);
  }
  Job copy_of(const RecoveryPoint& point) {
    return run(JobKind::replicate, parameters_of(ReplicateRequest{"plan", "web", point.id.str()}));
  }
};

TEST_F(KeptCopies, TheNewestAreKeptAndWhole) {
  update();
  const RecoveryPoint second = update();
  const Bytes then = restored(second, "disk-a");
  const RecoveryPoint third = update();
  EXPECT_EQ(points_of(DrCopyState::current), (std::vector{third.id}));
  EXPECT_EQ(points_of(DrCopyState::kept), (std::vector{second.id}));
  expect_images(4);
  for (const DrCopy& copy : copies()) {
    if (copy.recovery_point_id != second.id) continue;
    Bytes image = site.image_content(copy.disks.at(0).image_id);
    image.resize(then.size());
    EXPECT_TRUE(image == then);
  }
}

TEST_F(KeptCopies, ADamagedOneIsNotAmongThem) {
  const RecoveryPoint first = update();
  update();
  for (const DrCopy& copy : copies()) {
    if (copy.state == DrCopyState::current) {
      ASSERT_TRUE(record_damage(*catalog, copy.id, {{DiskId("disk-a"), 3, 1, clock.now()}}).ok());
    }
  }
  const RecoveryPoint third = update();
  EXPECT_EQ(points_of(DrCopyState::current), (std::vector{third.id}));
  EXPECT_EQ(points_of(DrCopyState::kept), (std::vector{first.id}));
  expect_images(4);
}

TEST_F(KeptCopies, FewerAreKeptFromTheNextTimeOn) {
  keep(3);
  for (int i = 0; i < 3; ++i) update();
  expect_images(6);
  keep(1);
  update();
  EXPECT_EQ(copies().size(), 1U);
  expect_images(2);
}

TEST_F(KeptCopies, AFailoverFromAKeptPointMakesNothing) {
  update();
  const RecoveryPoint second = update();
  update();
  const std::uint64_t before = site.blocks_put();
  const Job job = copy_of(second);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(site.blocks_put(), before);
  EXPECT_EQ(job.data.at("copy").get<DrCopy>().state, DrCopyState::kept);
  expect_images(4);
}

// A failover as of an earlier time waits for an approval, and replication goes on meanwhile.
TEST_F(KeptCopies, TheCopyThatAFailoverUnderWayStartsFromStays) {
  keep(1);
  const RecoveryPoint first = update();
  const std::string wanted = copies().at(0).id;
  Job failover = catalog
                     ->create_job(JobKind::plan_failover, "plan plan",
                                  {{"plan", "plan"}, {"dr_copy_ids", {{"web", wanted}}}}, "workflow")
                     .value();
  update();
  update();
  EXPECT_EQ(points_of(DrCopyState::kept), (std::vector{first.id}));
  expect_images(4);
  failover = catalog->claim_job(failover.id, process_owner()).value();
  failover.state = JobState::succeeded;
  ASSERT_TRUE(catalog->save_job(failover).ok());
  update();
  EXPECT_TRUE(points_of(DrCopyState::kept).empty());
  expect_images(2);
}

TEST_F(KeptCopies, AKeptCopyWhoseImageIsLostIsMadeAgainAside) {
  update();
  const RecoveryPoint second = update();
  update();
  for (const DrCopy& copy : copies()) {
    if (copy.state != DrCopyState::kept) continue;
    ASSERT_TRUE(site.remove_image(copy.disks.at(0).image_id).ok());
  }
  const Job job = copy_of(second);
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(job.data.at("copy").get<DrCopy>().state, DrCopyState::aside);
}

}  // namespace
}  // namespace rekindle
