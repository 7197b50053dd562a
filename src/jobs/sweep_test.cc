#include "jobs/sweep.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "site/memory_site.h"

namespace rekindle {
namespace {

class SweepTest : public testing::Test {
 protected:
  void intend(const std::string& token, ResourceKind kind, const JobId& by,
              const std::string& at = "account") {
    LedgerEntry entry;
    entry.token = token;
    entry.kind = kind;
    entry.site = at;
    entry.job_id = by;
    if (kind == ResourceKind::machine_snapshot) entry.container = "uuid-1";
    EXPECT_TRUE(catalog->intend(entry).ok());
  }
  ImageId image(const std::string& token, const JobId& by, bool marked = true) {
    intend(token, ResourceKind::image, by);
    const ImageId made = site.start_image({mib, {}, "", token, {{token_tag, token}}}).value();
    if (marked) {
      EXPECT_TRUE(catalog->mark_exists(token, made.str()).ok());
    }
    return made;
  }
  // An instance, its template and its image, all made by `by`.
  void machine(const JobId& by) {
    const ImageId boot = image("image", by);
    intend("template", ResourceKind::machine_template, by);
    const TemplateSpec spec{"template", Firmware::bios, {{boot, ""}}, {{token_tag, "template"}}};
    const TemplateId registered = site.register_template(spec).value();
    intend("instance", ResourceKind::instance, by);
    LaunchSpec launch;
    launch.image_template = registered;
    launch.token = "instance";
    launch.tags = {{token_tag, "instance"}};
    EXPECT_TRUE(site.launch(launch).ok());
  }
  void expect_nothing_left() {
    EXPECT_EQ(site.live_instance_count(), 0U);
    EXPECT_EQ(site.template_count(), 0U);
    EXPECT_EQ(site.image_count(), 0U);
    EXPECT_TRUE(catalog->ledger()->empty());
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  ManualClock clock{Time{}};
  std::unique_ptr<Catalog> catalog = Catalog::open(directory.path() / "catalog.db", clock).value();
  MemorySite site;
  const JobId job{"job-1"};
};

TEST_F(SweepTest, RemovesWhatUsesAThingBeforeTheThing) {
  machine(job);
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  expect_nothing_left();
  EXPECT_TRUE(sweep_job(*catalog, site, clock, job).ok()) << "again is fine";
}

TEST_F(SweepTest, LooksForWhatWasOnlyIntendedByItsToken) {
  image("lost-answer", job, false);
  intend("never-made", ResourceKind::image, job);
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_EQ(site.image_count(), 0U);
  ASSERT_EQ(catalog->ledger()->size(), 1U) << "the call may take effect yet";
  EXPECT_EQ(catalog->ledger()->at(0).token, "never-made");
  clock.advance(std::chrono::minutes(10));
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  expect_nothing_left();
}

TEST_F(SweepTest, RemovesWhatAppearsOnlyAfterTheFirstSweep) {
  intend("slow", ResourceKind::image, job);
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  ASSERT_TRUE(site.start_image({mib, {}, "", "slow", {{token_tag, "slow"}}}).ok());
  EXPECT_EQ(sweep_finished_jobs(*catalog, site, clock, "account").value(), 1);
  expect_nothing_left();
}

// The process that made them is gone, and with it what it knew of them.
TEST_F(SweepTest, DoesNotBelieveThatWhatWasMadeJustNowIsNotThere) {
  machine(job);
  ASSERT_TRUE(catalog->mark_exists("template", site.find_templates({})->at(0).str()).ok());
  ASSERT_TRUE(catalog->mark_exists("instance", site.find_instances({})->at(0).id.str()).ok());
  intend("volume", ResourceKind::volume, job);
  const VolumeId volume = site.create_volume({mib, {}, "volume", {{token_tag, "volume"}}}).value();
  ASSERT_TRUE(catalog->mark_exists("volume", volume.str()).ok());
  site.set_denied([](const std::string&) { return true; });
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_EQ(catalog->ledger()->size(), 4U);
  clock.advance(std::chrono::seconds(119));
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_EQ(catalog->ledger()->size(), 4U);
  site.set_denied({});
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  expect_nothing_left();
  EXPECT_EQ(site.volume_count(), 0U);
}

TEST_F(SweepTest, BelievesItOfWhatWasMadeTwoMinutesAgo) {
  ASSERT_TRUE(site.remove_image(image("removed-by-somebody", job)).ok());
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_EQ(catalog->ledger()->size(), 1U);
  clock.advance(std::chrono::minutes(2));
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_TRUE(catalog->ledger()->empty());
}

TEST_F(SweepTest, LeavesWhatIsUsedAndWhatOthersMade) {
  image("mine", job);
  image("used", job);
  ASSERT_TRUE(catalog->mark_used("used", "dr_copy:1").ok());
  image("theirs", JobId("job-2"));
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_EQ(site.image_count(), 2U);
  EXPECT_TRUE(site.find_images({{token_tag, "mine"}})->empty());
}

TEST_F(SweepTest, GoesOnAfterAnErrorAndNamesTheFirst) {
  const ImageId stubborn = image("a-stubborn", job);
  image("b-other", job);
  int calls = 0;
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    const bool now = method == "remove_image" && ++calls == 1;
    return now ? Result<>(error(ErrorCode::permission_denied, "not allowed")) : Result<>();
  });
  const Result<> swept = sweep_job(*catalog, site, clock, job);
  EXPECT_EQ(swept.error().message(), "removing the image " + stubborn.str() + ": not allowed");
  EXPECT_EQ(site.image_count(), 1U);
  EXPECT_EQ(catalog->ledger()->size(), 1U) << "kept for the next sweep";
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  expect_nothing_left();
}

TEST_F(SweepTest, ASnapshotGoesByItsNameAndWithItsMachine) {
  Machine frozen;
  frozen.id = MachineId("uuid-1");
  frozen.name = "web";
  site.add_machine(frozen);
  intend("rekindle-job-1", ResourceKind::machine_snapshot, job, "dc");
  ASSERT_TRUE(site.create_snapshot(frozen.id, "rekindle-job-1").ok());
  ASSERT_TRUE(site.create_snapshot(frozen.id, "an administrator's").ok());
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_EQ(site.snapshot_count(), 1U);

  intend("rekindle-job-2", ResourceKind::machine_snapshot, job, "dc");
  site.lose_machine(frozen.id);
  ASSERT_TRUE(sweep_job(*catalog, site, clock, job).ok());
  EXPECT_TRUE(catalog->ledger()->empty());
}

TEST_F(SweepTest, OfFinishedJobsLeavesThoseThatWorkAndOtherSites) {
  const Job working = catalog->create_job(JobKind::replicate, "web", {}, "write").value();
  image("of-a-working-job", working.id);
  image("left-over", job);
  EXPECT_EQ(sweep_finished_jobs(*catalog, site, clock, "another account").value(), 0);
  EXPECT_EQ(sweep_finished_jobs(*catalog, site, clock, "account").value(), 1);
  EXPECT_EQ(site.find_images({{token_tag, "of-a-working-job"}})->size(), 1U);
}

TEST_F(SweepTest, OfFinishedJobsDoesNotFailWhereASiteIsAway) {
  image("left-over", job);
  site.set_fault([](std::string_view, bool) -> Result<> { return error(ErrorCode::unavailable, "away"); });
  EXPECT_EQ(sweep_finished_jobs(*catalog, site, clock, "account").value(), 0);
  EXPECT_EQ(catalog->ledger()->size(), 1U);
}

}  // namespace
}  // namespace rekindle
