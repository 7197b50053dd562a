#include "protect/copy_verification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "guest/guest_to_convert_fixture.h"
#include "jobs/dr_copies.h"
#include "model/json.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Something happens when the vault is asked for, which is after the current copy was looked up.
class DisturbedVaults final : public Vaults {
 public:
  DisturbedVaults(Vault& vault, std::function<Result<>()> disturb)
      : vault_(vault), disturb_(std::move(disturb)) {}
  Result<Vault*> vault(const std::string&) override {
    TRY(disturb_());
    return &vault_;
  }

 private:
  Vault& vault_;
  std::function<Result<>()> disturb_;
};

class CopyVerificationTest : public ProtectTest {
 protected:
  void back_up_and_replicate() {
    ASSERT_EQ(back_up().state, JobState::succeeded);
    const Job job = replicate();
    ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  }
  void plan_says(const std::function<void(DrPlan&)>& change) {
    auto plan = catalog->get<DrPlan>("plan").value();
    change(plan);
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  Result<CopyVerification> verify(Vaults& vaults, bool all = true) {
    return verify_current_copy({*catalog, site, vaults, random, clock}, {"plan", "web", all}, progress, {});
  }
  Result<CopyVerification> verify(bool all = true) { return verify(*this, all); }
  ImageId image(std::size_t disk) { return copies().at(0).disks.at(disk).image_id; }

  // While it is verified.
  Result<CopyVerification> verify_while(std::function<void()> disturb) {
    DisturbedVaults vaults(*the_vault, [&]() -> Result<> {
      disturb();
      return {};
    });
    return verify(vaults);
  }

  Progress progress;
};

TEST_F(CopyVerificationTest, ACopyThatEqualsItsPointPasses) {
  back_up_and_replicate();
  scatter(3);
  back_up_and_replicate();  // with parents
  const auto ledger = catalog->ledger()->size();
  const auto verified = verify();
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->copy.recovery_point_id, newest_point().id);
  EXPECT_EQ(verified->blocks_differing(), 0U);
  EXPECT_GT(verified->blocks_compared(), 0U);
  EXPECT_TRUE(outcome(*verified).ok());
  EXPECT_EQ(progress.bytes_done, verified->blocks_compared() * image_block_bytes);
  EXPECT_EQ(progress.bytes_done, progress.bytes_total);
  EXPECT_EQ(verify(false)->blocks_differing(), 0U);
  EXPECT_EQ(catalog->ledger()->size(), ledger);
  EXPECT_EQ(site.image_count(), 2U);
}

TEST_F(CopyVerificationTest, AFlippedBitIsFoundAndItsBlockNamed) {
  site.guest_writes(id, 1, 0, Bytes(3 * mib, std::byte{1}));
  back_up_and_replicate();
  site.damage_image(image(1), 4 * image_block_bytes + 9);
  const auto verified = verify();
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_TRUE(verified->disks.at(0).differing.empty());
  EXPECT_THAT(verified->disks.at(1).differing, ElementsAre(4));
  const Result<> result = outcome(*verified);
  EXPECT_EQ(result.error().code(), ErrorCode::corrupt);
  EXPECT_THAT(result.error().message(), AllOf(HasSubstr("web: disk disk-b: block 4 "),
                                              HasSubstr("'rekindle replicate run plan' makes it anew")));
  EXPECT_THAT(result.error().message(), testing::Not(HasSubstr("in all")));
  ASSERT_EQ(copies().at(0).damaged.size(), 1U);
  const CopyDamage damage = copies().at(0).damaged[0];
  EXPECT_EQ(damage.disk_id, DiskId("disk-b"));
  EXPECT_EQ(damage.block, 4U);
  EXPECT_EQ(damage.blocks, 1U);
  EXPECT_EQ(damage.found, clock.now());
}

TEST_F(CopyVerificationTest, WhatShouldBeZerosIsComparedTooAndAllDifferencesAreCounted) {
  back_up_and_replicate();
  for (const std::uint64_t block : {5, 2}) site.damage_image(image(1), block * image_block_bytes);
  const auto verified = verify();
  EXPECT_THAT(verified->disks.at(1).differing, ElementsAre(2, 5));
  EXPECT_THAT(outcome(*verified).error().message(), HasSubstr("block 2 "));
  EXPECT_THAT(outcome(*verified).error().message(), HasSubstr("(blocks that differ in all: 2)"));
}

TEST_F(CopyVerificationTest, ACopyThatWasConvertedAheadIsComparedWithWhatWasRecorded) {
  site.guest_writes(id, 0, 0, guest_to_convert());
  plan_says([](DrPlan& plan) { plan.convert = ConvertWhen::ahead; });
  back_up_and_replicate();
  const DrCopy copy = copies().at(0);
  ASSERT_TRUE(copy.converted);
  ASSERT_FALSE(copy.overlay.empty());
  for (const bool all : {true, false}) {
    const auto verified = verify(all);
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    EXPECT_EQ(verified->blocks_differing(), 0U);
    EXPECT_GE(verified->disks.at(0).blocks_compared, copy.overlay.size());
  }
  const std::uint64_t converted = copy.overlay.back().index;
  site.damage_image(copy.disks[0].image_id, converted * image_block_bytes + 1);
  EXPECT_THAT(verify(false)->disks.at(0).differing, ElementsAre(converted));
}

TEST_F(CopyVerificationTest, WithoutTheRecoveryPointItSaysSo) {
  back_up_and_replicate();
  const RecoveryPoint point = newest_point();
  ASSERT_TRUE(the_vault->remove_point(point.id).ok());
  for (const bool known : {true, false}) {
    if (!known) {
      ASSERT_TRUE(catalog->remove<RecoveryPoint>(point.id.str()).ok());
    }
    const auto verified = verify();
    ASSERT_FALSE(verified.ok());
    EXPECT_EQ(verified.error().code(), ErrorCode::not_found);
    EXPECT_THAT(verified.error().message(),
                AllOf(HasSubstr("of web: "), HasSubstr(point.id.str() + " is no longer in the vault"),
                      HasSubstr("'rekindle replicate run plan'")));
  }
}

TEST_F(CopyVerificationTest, AVaultThatCannotBeReachedIsNoDamage) {
  back_up_and_replicate();
  DisturbedVaults vaults(*the_vault, [] { return error(ErrorCode::unavailable, "connection refused"); });
  const auto verified = verify(vaults);
  EXPECT_EQ(verified.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(verified.error().message(),
              AllOf(HasSubstr("opening the vault vault"), HasSubstr("connection refused")));
}

TEST_F(CopyVerificationTest, WithoutACopyItSaysHowToMakeOne) {
  const auto verified = verify();
  EXPECT_EQ(verified.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(verified.error().message(), HasSubstr("'rekindle replicate run plan'"));
}

TEST_F(CopyVerificationTest, AnImageThatSomebodyRemovedIsNamed) {
  back_up_and_replicate();
  const ImageId lost = image(0);
  ASSERT_TRUE(site.remove_image(lost).ok());
  const auto verified = verify();
  EXPECT_EQ(verified.error().code(), ErrorCode::not_found);
  EXPECT_THAT(verified.error().message(), HasSubstr(lost.str() + " is not there any more"));
  // And the way out is one.
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_EQ(verify()->blocks_differing(), 0U);
}

TEST_F(CopyVerificationTest, ACopyThatIsReplacedMeanwhileIsNotCalledDamaged) {
  back_up_and_replicate();
  const auto verified = verify_while([&] {
    scatter(1);
    back_up_and_replicate();
  });
  ASSERT_FALSE(verified.ok());
  EXPECT_EQ(verified.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(verified.error().message(),
              HasSubstr("a newer copy, " + copies().at(0).id + ", took its place"));
  EXPECT_EQ(verify()->blocks_differing(), 0U);
}

// Whose images are half gone.
TEST_F(CopyVerificationTest, WhatDiffersInARetiredCopyIsNoDamage) {
  back_up_and_replicate();
  const auto verified = verify_while([&] {
    DrCopy copy = copies().at(0);
    site.damage_image(copy.disks[0].image_id, 0);
    copy.state = DrCopyState::retired;
    ASSERT_TRUE(catalog->put(copy).ok());
  });
  ASSERT_FALSE(verified.ok());
  EXPECT_EQ(verified.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(verified.error().message(), HasSubstr("it was removed while it was read"));
}

TEST_F(CopyVerificationTest, ACopyThatIsReplacedAndKeptIsVerifiedToTheEnd) {
  plan_says([](DrPlan& plan) { plan.keep_copies = 2; });
  back_up_and_replicate();
  const DrCopy copy = copies().at(0);
  const auto replace = [&] {
    scatter(1);
    back_up_and_replicate();
  };
  const auto verified = verify_while(replace);
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->copy.id, copy.id);
  EXPECT_EQ(verified->blocks_differing(), 0U);
}

// Its successor was made before the bit flipped.
TEST_F(CopyVerificationTest, WhatIsFoundInACopyThatIsReplacedAndKeptIsNotedOnThatOne) {
  plan_says([](DrPlan& plan) { plan.keep_copies = 2; });
  back_up_and_replicate();
  const DrCopy copy = copies().at(0);
  const auto verified = verify_while([&] {
    scatter(1);
    back_up_and_replicate();
    site.damage_image(copy.disks[0].image_id, 0);
  });
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->copy.state, DrCopyState::kept);
  EXPECT_THAT(outcome(*verified).error().message(), HasSubstr("a newer copy took its place meanwhile"));
  EXPECT_EQ(catalog->get<DrCopy>(copy.id)->damaged.size(), 1U);
  EXPECT_TRUE(current_copy(*catalog, "plan", "web").value()->damaged.empty());
}

TEST_F(CopyVerificationTest, StopsWhenItIsTold) {
  back_up_and_replicate();
  std::stop_source stop;
  stop.request_stop();
  const auto verified = verify_current_copy({*catalog, site, *this, random, clock}, {"plan", "web", true},
                                            progress, stop.get_token());
  EXPECT_EQ(verified.error().code(), ErrorCode::cancelled);
}

TEST(RandomSample, IsAllOfFewAndSomeOfMany) {
  SeededRandom random(1);
  EXPECT_THAT(random_sample(3, random), ElementsAre(0, 1, 2));
  EXPECT_TRUE(random_sample(0, random).empty());
  const auto sample = random_sample(100'000, random);
  EXPECT_EQ(sample.size(), 32U);
  EXPECT_TRUE(std::ranges::is_sorted(sample));
  EXPECT_EQ(std::ranges::adjacent_find(sample), sample.end());
  EXPECT_LT(sample.back(), 100'000U);
  EXPECT_NE(sample, random_sample(100'000, random));
}

}  // namespace
}  // namespace rekindle
