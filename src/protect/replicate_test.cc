#include <gtest/gtest.h>

#include "jobs/sweep.h"
#include "model/json.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

class ReplicateTest : public ProtectTest {
 protected:
  void plan_says(bool encrypted, const std::string& kms_key) {
    auto plan = catalog->get<DrPlan>("plan").value();
    plan.encrypt_copies = encrypted;
    plan.copies_kms_key = kms_key;
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  // What the job says that it wrote whole in place of what was there.
  static std::set<DiskId> anew(const Job& job) { return job.data.value("anew", std::set<DiskId>()); }
  void expect_copy_equals_machine() {
    const auto all = copies();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].state, DrCopyState::current);
    Bytes image = site.image_content(all[0].disks[0].image_id);
    image.resize(disk_bytes);
    EXPECT_EQ(image, site.disk_content(id, 0));
    EXPECT_EQ(site.image_count(), 2U) << "one image a disk, nothing else";
    EXPECT_EQ(catalog->ledger()->size(), 2U);
  }
};

TEST_F(ReplicateTest, TheFirstCopyEqualsThePoint) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, TheNextWritesOnlyDifferingBlocksAndReplacesTheOld) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  site.guest_writes(id, 0, 5 * image_block_bytes, Bytes(10, std::byte{9}));
  site.guest_writes(id, 0, 7 * image_block_bytes, Bytes(image_block_bytes));  // changed to zeros
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const std::uint64_t before = site.blocks_put();
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_LE(site.blocks_put() - before, 2U);
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, IsDoneWhenTheCopyIsUpToDate) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const std::uint64_t before = site.blocks_put();
  const Job job = replicate();
  EXPECT_EQ(job.state, JobState::succeeded);
  EXPECT_TRUE(job.data.at("up_to_date"));
  EXPECT_EQ(site.blocks_put(), before);
}

TEST_F(ReplicateTest, AnImageIsStartedWhenItIsItsTurnToBeWritten) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  std::vector<std::string> calls;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (!done && (method == "start_image" || method == "complete")) calls.emplace_back(method);
    return {};
  });
  ASSERT_EQ(replicate().state, JobState::succeeded);
  site.set_fault({});
  EXPECT_EQ(calls, (std::vector<std::string>{"start_image", "complete", "start_image", "complete"}));
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, AnEncryptedCopyHoldsItsZerosToo) {
  plan_says(true, "alias/dr");
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(site.image(copies().at(0).disks[0].image_id)->zeros_must_be_put);
  EXPECT_EQ(copies().at(0).kms_key, "alias/dr");
  expect_copy_equals_machine();
  // And so do its children, of which only differences are put.
  site.guest_writes(id, 0, 5 * image_block_bytes, Bytes(image_block_bytes));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const std::uint64_t before = site.blocks_put();
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_LE(site.blocks_put() - before, 1U);
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, ACopyThatThePlanWantsEncryptedBeginsAnew) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  plan_says(true, "");
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(job.data.value("up_to_date", false));
  EXPECT_FALSE(site.image(copies().at(0).disks[0].image_id)->parent.has_value());
  EXPECT_TRUE(copies().at(0).encrypted);
  expect_copy_equals_machine();
  EXPECT_TRUE(replicate().data.at("up_to_date"));
}

// What its image leaves out would be noise on the encrypted volume.
TEST_F(ReplicateTest, ACopyOfAMachineThatStartsEncryptedIsEncryptedAndHoldsItsZeros) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_FALSE(copies().at(0).encrypted);
  auto plan = catalog->get<DrPlan>("plan").value();
  plan.machines.at(0).test.volumes.encrypted = true;
  ASSERT_TRUE(catalog->put(plan).ok());
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_TRUE(copies().at(0).encrypted);
  EXPECT_TRUE(site.image(copies().at(0).disks[0].image_id)->zeros_must_be_put);
  expect_copy_equals_machine();
  EXPECT_TRUE(replicate().data.at("up_to_date"));
}

TEST_F(ReplicateTest, ACopyWithoutItsZerosBeginsAnewWhereTheAccountEncryptsSince) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  site.set_encrypts_by_default(true);
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_FALSE(job.data.value("up_to_date", false));
  ASSERT_EQ(copies().size(), 1U);
  for (const DrCopyDisk& disk : copies().at(0).disks)
    EXPECT_TRUE(site.image(disk.image_id)->zeros_must_be_put) << disk.image_id.str();
  EXPECT_EQ(anew(job), (std::set{DiskId("disk-a"), DiskId("disk-b")}));
  EXPECT_EQ(site.image_count(), copies().at(0).disks.size()) << "those of before are removed";
  expect_copy_equals_machine();
  EXPECT_TRUE(replicate().data.at("up_to_date"));
}

TEST_F(ReplicateTest, ADiskWhoseImageIsLostIsOnRecordAsWrittenWhole) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(anew(replicate()), std::set<DiskId>()) << "there was nothing before the first";
  ASSERT_TRUE(site.remove_image(copies().at(0).disks[1].image_id).ok());
  clock.advance(std::chrono::minutes(3));  // what was made just now is not believed to be gone
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(anew(job), (std::set{DiskId("disk-b")}));
  EXPECT_TRUE(site.image(copies().at(0).disks[0].image_id)->parent.has_value());
  EXPECT_FALSE(site.image(copies().at(0).disks[1].image_id)->parent.has_value());
  expect_copy_equals_machine();
  scatter(1);
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(anew(replicate()), std::set<DiskId>());
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, ACopyInAnotherAccountIsOnRecordAsWrittenWhole) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  auto plan = catalog->get<DrPlan>("plan").value();
  plan.account = "another account";
  ASSERT_TRUE(catalog->put(plan).ok());
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(anew(job), (std::set{DiskId("disk-a"), DiskId("disk-b")}));
}

TEST_F(ReplicateTest, WhatTheSiteRefusesAsAChildIsWrittenWhole) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  scatter(1);
  ASSERT_EQ(back_up().state, JobState::succeeded);
  int started = 0;
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method != "start_image" || done || started++ > 0) return {};
    return error(ErrorCode::failed_precondition, "its parent is not encrypted");
  });
  const Job job = replicate();
  site.set_fault({});
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const DrCopy copy = copies().at(0);
  EXPECT_FALSE(site.image(copy.disks[0].image_id)->parent.has_value());
  EXPECT_TRUE(site.image(copy.disks[1].image_id)->parent.has_value());
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, WithoutARecoveryPointItSaysWhatToDo) {
  const Job job = replicate();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_NE(job.error.find("backup run web"), std::string::npos);
}

TEST_F(ReplicateTest, ADamagedNewCopyIsThrownAwayAndTheOldOneStays) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const DrCopy old_copy = copies().at(0);
  site.guest_writes(id, 0, 0, Bytes(64 * kib, std::byte{3}));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  site.set_fault([&](std::string_view method, bool) -> Result<> {
    if (method == "open_image") {
      for (const Image& image : site.find_images({}).value()) {
        if (image.id != old_copy.disks[0].image_id && image.size_bytes == disk_bytes)
          site.damage_image(image.id, 100);
      }
      site.set_fault({});
    }
    return {};
  });
  const Job job = replicate();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.error_code, ErrorCode::corrupt) << job.error;
  ASSERT_EQ(copies().size(), 1U);
  EXPECT_EQ(copies().at(0).id, old_copy.id);
  EXPECT_EQ(site.image_count(), 2U);
}

TEST_F(ReplicateTest, AnOldCopyThatCannotBeRemovedIsNoFailureAndGoesWithTheNextSweep) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  scatter(1);
  ASSERT_EQ(back_up().state, JobState::succeeded);
  site.set_fault([](std::string_view method, bool) -> Result<> {
    return method == "remove_image" ? Result<>(error(ErrorCode::unavailable, "throttled")) : Result<>();
  });
  const Job job = replicate();
  EXPECT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_NE(job.data.at("left_behind").get<std::string>().find("throttled"), std::string::npos);
  site.set_fault({});
  EXPECT_EQ(sweep_finished_jobs(*catalog, site, clock, "account").value(), 2);
  expect_copy_equals_machine();
}

TEST_F(ReplicateTest, AnyCallMayFailOrLoseItsAnswerAndACompleteCopyIsAlwaysThere) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  for (int fail_at = 0;; ++fail_at) {
    scatter(1);
    ASSERT_EQ(back_up().state, JobState::succeeded);
    int call = 0;
    site.set_fault([&](std::string_view method, bool) -> Result<> {
      return call++ == fail_at ? Result<>(error(ErrorCode::internal, "injected into {}", method))
                               : Result<>();
    });
    const Job job = replicate();
    site.set_fault({});
    if (call <= fail_at) break;
    ASSERT_TRUE(sweep_finished_jobs(*catalog, site, clock, "").ok());
    int current = 0;
    for (const DrCopy& copy : copies()) {
      if (copy.state != DrCopyState::current) continue;
      ++current;
      EXPECT_EQ(site.image(copy.disks[0].image_id)->state, ImageState::complete);
    }
    EXPECT_EQ(current, 1) << "call " << fail_at;
    EXPECT_EQ(site.image_count(), 2U) << "call " << fail_at << ": " << job.error;
  }
}

}  // namespace
}  // namespace rekindle
