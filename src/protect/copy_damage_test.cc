#include "protect/copy_damage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/guest_to_convert_fixture.h"
#include "jobs/dr_copies.h"
#include "model/json.h"
#include "protect/copy_records.h"
#include "protect/copy_verification.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t blocks_of_disk_b = 6;  // all in use

class CopyDamageTest : public ProtectTest {
 protected:
  CopyDamageTest() {
    site.guest_writes(id, 0, 0, guest_to_convert());
    site.guest_writes(id, 1, 0, Bytes(blocks_of_disk_b * image_block_bytes, std::byte{1}));
  }

  void plan_says(const std::function<void(DrPlan&)>& change) {
    auto plan = catalog->get<DrPlan>("plan").value();
    change(plan);
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  void back_up_and_replicate() {
    ASSERT_EQ(back_up().state, JobState::succeeded);
    const Job job = replicate();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  }
  // The switch step is what `around` makes of it.
  Job replicate_with_switch(const std::function<Result<>(const StepFunction&, StepContext&)>& around) {
    JobProcedure procedure = replicate_procedure(site, *this);
    for (Step& step : procedure.steps) {
      if (step.name != "switch") continue;
      step.perform = [around, perform = step.perform](StepContext& context) {
        return around(perform, context);
      };
    }
    JobRunner runner(*catalog, clock, random, observer);
    return runner.start(procedure, "web", parameters_of(ReplicateRequest{"plan", "web", ""})).value();
  }
  DrCopy current() { return current_copy(*catalog, "plan", "web").value().value_or(DrCopy()); }
  CopyVerification verified() {
    Progress progress;
    return verify_current_copy({*catalog, site, *this, random, clock}, {"plan", "web", true}, progress, {})
        .value();
  }
  // A bit flips in the region, and is found.
  void damage(std::size_t disk, std::uint64_t block) {
    site.damage_image(current().disks.at(disk).image_id, block * image_block_bytes + 1);
    const CopyVerification found = verified();
    ASSERT_EQ(found.blocks_differing(), 1U);
    ASSERT_EQ(current().damaged.size(), 1U);
    EXPECT_EQ(current().damaged[0].disk_id, current().disks.at(disk).disk_id);
    EXPECT_EQ(current().damaged[0].block, block);
  }
  bool has_parent(const DrCopy& copy, std::size_t disk) {
    return site.image(copy.disks.at(disk).image_id)->parent.has_value();
  }
  void expect_sound() {
    EXPECT_THAT(current().damaged, IsEmpty());
    EXPECT_EQ(verified().blocks_differing(), 0U);
    EXPECT_THAT(current().damaged, IsEmpty());
  }
  void expect_one_copy(std::size_t templates = 0) {
    EXPECT_EQ(copies().size(), 1U);
    EXPECT_EQ(site.image_count(), 2U);
    EXPECT_EQ(site.template_count(), templates);
    EXPECT_EQ(site.volume_count(), 0U);
    EXPECT_EQ(catalog->ledger()->size(), 2U + templates);
  }
};

class ByEveryWay : public CopyDamageTest,
                   public testing::WithParamInterface<std::tuple<ImageWriting, DrWorkflow>> {
 protected:
  ByEveryWay() {
    plan_says([](DrPlan& plan) {
      plan.write = std::get<0>(GetParam());
      plan.workflow = std::get<1>(GetParam());
    });
  }
  std::size_t templates() const { return std::get<1>(GetParam()) == DrWorkflow::ami ? 1U : 0U; }
};

TEST_P(ByEveryWay, ADamagedDiskIsMadeAnewInFullAndTheOthersAreNot) {
  back_up_and_replicate();
  damage(1, 4);
  const DrCopy damaged = current();
  site.guest_writes(id, 1, 0, Bytes(1, std::byte{2}));
  const std::uint64_t before = site.blocks_put();
  back_up_and_replicate();
  EXPECT_EQ(site.blocks_put() - before, blocks_of_disk_b);
  EXPECT_NE(current().id, damaged.id);
  EXPECT_FALSE(has_parent(current(), 1));
  EXPECT_TRUE(has_parent(current(), 0));
  expect_sound();
  expect_one_copy(templates());
  // And from there on by differences again.
  site.guest_writes(id, 1, 0, Bytes(1, std::byte{3}));
  back_up_and_replicate();
  EXPECT_TRUE(has_parent(current(), 1));
  expect_sound();
}

TEST_P(ByEveryWay, ABootDiskThatIsDamagedInAConvertedBlockIsMadeAnewFromTheSamePoint) {
  back_up_and_replicate();
  ASSERT_TRUE(current().converted);
  damage(0, current().overlay.back().index);
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(job.data.at("up_to_date"));
  EXPECT_FALSE(has_parent(current(), 0));
  EXPECT_TRUE(current().converted);
  expect_sound();
  expect_one_copy(templates());
  EXPECT_TRUE(replicate().data.at("up_to_date"));
}

TEST_P(ByEveryWay, TheOldCopyStaysWithItsMarkUntilTheNewOneIsThere) {
  back_up_and_replicate();
  damage(1, 0);
  const DrCopy damaged = current();
  for (const char* method : {"put_block", "complete", "open_image"}) {
    site.set_fault([&](std::string_view called, bool) -> Result<> {
      return called == method ? Result<>(error(ErrorCode::permission_denied, "no more")) : Result<>();
    });
    EXPECT_EQ(replicate().state, JobState::failed) << method;
    site.set_fault({});
    EXPECT_EQ(current().id, damaged.id) << method;
    EXPECT_EQ(current().damaged.size(), 1U) << method;
    for (const DrCopyDisk& disk : damaged.disks) EXPECT_TRUE(site.image(disk.image_id).ok()) << method;
  }
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_sound();
  expect_one_copy(templates());
}

INSTANTIATE_TEST_SUITE_P(All, ByEveryWay,
                         testing::Combine(testing::Values(ImageWriting::direct, ImageWriting::volume),
                                          testing::Values(DrWorkflow::snapshots, DrWorkflow::ami)),
                         [](const auto& way) {
                           return word(std::get<0>(way.param)) +
                                  (std::get<1>(way.param) == DrWorkflow::ami ? "Ami" : "Snapshots");
                         });

// The verification ends while the next copy is being written on top of the damaged one.
TEST_F(CopyDamageTest, WhatIsFoundMeanwhileIsNotedOnTheCopyThatHasItFromThere) {
  back_up_and_replicate();
  const DrCopy old_copy = current();
  site.guest_writes(id, 1, 0, Bytes(1, std::byte{2}));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  bool noted = false;
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    if (method != "complete" || noted) return {};
    noted = true;
    TRY(record_damage(*catalog, old_copy.id, {{DiskId("disk-b"), 4, 1, clock.now()}}));
    return {};
  });
  const Job job = replicate();
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  ASSERT_TRUE(noted);
  EXPECT_NE(current().id, old_copy.id);
  ASSERT_EQ(current().damaged.size(), 1U);
  EXPECT_EQ(current().damaged[0].disk_id, DiskId("disk-b"));
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_FALSE(has_parent(current(), 1));
  expect_sound();
  expect_one_copy();
}

TEST_F(CopyDamageTest, ACopyAsideIsNotMadeOnTopOfADamagedDisk) {
  back_up_and_replicate();
  const RecoveryPoint earlier = newest_point();
  site.guest_writes(id, 1, 0, Bytes(1, std::byte{2}));
  back_up_and_replicate();
  damage(1, 4);
  const Job job = run(JobKind::replicate, parameters_of(ReplicateRequest{"plan", "web", earlier.id.str()}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const auto aside = job.data.at("copy").get<DrCopy>();
  EXPECT_FALSE(has_parent(aside, 1));
  EXPECT_TRUE(has_parent(aside, 0));
  EXPECT_THAT(aside.damaged, IsEmpty());
  EXPECT_EQ(current().damaged.size(), 1U) << "the current one is what it was";
}

TEST_F(CopyDamageTest, WhatIsFoundLaterTakesThePlaceOfWhatWasKnownOfTheSameDisk) {
  back_up_and_replicate();
  const std::string copy = current().id;
  ASSERT_TRUE(
      record_damage(*catalog, copy, {{DiskId("disk-a"), 1, 1, {}}, {DiskId("disk-b"), 2, 1, {}}}).ok());
  ASSERT_TRUE(record_damage(*catalog, copy, {{DiskId("disk-a"), 0, 3, {}}}).ok());
  ASSERT_EQ(current().damaged.size(), 2U);
  EXPECT_EQ(current().damaged[0].disk_id, DiskId("disk-b"));
  EXPECT_EQ(current().damaged[1].blocks, 3U);
  EXPECT_EQ(record_damage(*catalog, "none", {}).error().code(), ErrorCode::not_found);
}

// The process dies when the switch has taken effect and before the runner knows; a verification comes before
// somebody goes on with the job.
TEST_F(CopyDamageTest, ASwitchThatIsRepeatedLeavesTheMark) {
  back_up_and_replicate();
  const DrCopy old_copy = current();
  site.guest_writes(id, 1, 0, Bytes(1, std::byte{2}));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const Job job = replicate_with_switch([&](const StepFunction& perform, StepContext& context) -> Result<> {
    TRY(perform(context));
    TRY(record_damage(*catalog, current().id, {{DiskId("disk-b"), 4, 1, clock.now()}}));
    context.job = TRY(catalog->job(context.job.id));
    return perform(context);
  });
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_NE(current().id, old_copy.id);
  ASSERT_EQ(current().damaged.size(), 1U);
  EXPECT_EQ(current().damaged[0].disk_id, DiskId("disk-b"));
  expect_one_copy();
}

TEST_F(CopyDamageTest, ASwitchThatWasRolledBackIsRepeatedInFull) {
  back_up_and_replicate();
  const DrCopy old_copy = current();
  site.guest_writes(id, 1, 0, Bytes(1, std::byte{2}));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  bool rolled_back = false;
  const Job job = replicate_with_switch([&](const StepFunction& perform, StepContext& context) -> Result<> {
    const Result<> first = catalog->transaction([&]() -> Result<> {
      TRY(perform(context));
      return error(ErrorCode::unavailable, "the disk was full");
    });
    rolled_back = !first.ok() && first.error().code() == ErrorCode::unavailable;
    EXPECT_EQ(current().id, old_copy.id);
    return perform(context);
  });
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  ASSERT_TRUE(rolled_back);
  EXPECT_NE(current().id, old_copy.id);
  expect_sound();
  expect_one_copy();
}

// As a job knows them: a disk of the same size, one that grew, one that left the machine, one that begins
// anew.
TEST_F(CopyDamageTest, OnlyDisksWithAParentInheritDamage) {
  DrCopy old_copy;
  old_copy.id = "old";
  old_copy.machine = "web";
  old_copy.disks = {{DiskId("same"), ImageId("image-1"), 4 * mib},
                    {DiskId("grown"), ImageId("image-2"), 4 * mib},
                    {DiskId("gone"), ImageId("image-3"), 4 * mib},
                    {DiskId("anew"), ImageId("image-4"), 4 * mib}};
  for (const DrCopyDisk& disk : old_copy.disks) old_copy.damaged.push_back({disk.disk_id, 1, 1, clock.now()});
  ASSERT_TRUE(catalog->put(old_copy).ok());
  DrCopy copy;
  copy.id = "new";
  copy.machine = "web";
  copy.disks = {{DiskId("same"), ImageId(), 4 * mib},
                {DiskId("grown"), ImageId(), 8 * mib},
                {DiskId("anew"), ImageId(), 4 * mib}};
  Job job;
  job.data["copy"] = copy;
  job.data["old_copy"] = old_copy;
  begin_anew(job, DiskId("anew"));
  const auto inherited = inherited_damage(*catalog, job).value();
  ASSERT_EQ(inherited.size(), 1U);
  EXPECT_EQ(inherited[0].disk_id, DiskId("same"));
}

// A template that is registered for the copy while that is verified.
TEST_F(CopyDamageTest, AnotherTemplateLeavesTheMark) {
  back_up_and_replicate();
  plan_says([](DrPlan& plan) { plan.workflow = DrWorkflow::ami; });
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method == "register_template" && done)
      TRY(record_damage(*catalog, current().id, {{DiskId("disk-b"), 4, 1, clock.now()}}));
    return {};
  });
  const Job job = replicate();
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(current().template_id.empty());
  EXPECT_EQ(current().damaged.size(), 1U);
}

}  // namespace
}  // namespace rekindle
