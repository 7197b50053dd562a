// Replication that converts ahead, keeps a template, writes through volumes, or makes a copy aside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "guest/conversion.h"
#include "guest/guest_to_convert_fixture.h"
#include "model/json.h"
#include "prepare/boot_certificate.h"
#include "protect/protect_fixture.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

class ReplicateAheadTest : public ProtectTest {
 protected:
  static constexpr std::uint64_t all_blocks = (disk_bytes + 3 * mib) / image_block_bytes;  // of both disks

  ReplicateAheadTest() {
    site.guest_writes(id, 0, 0, guest_to_convert());
    site.guest_writes(id, 0, 0, Bytes(16, std::byte{0xfa}));  // boot code
  }

  void plan_says(const std::function<void(DrPlan&)>& change) {
    auto plan = catalog->get<DrPlan>("plan").value();
    change(plan);
    ASSERT_TRUE(catalog->put(plan).ok());
  }
  DrCopy current() {
    for (const DrCopy& copy : copies()) {
      if (copy.state == DrCopyState::current) return copy;
    }
    ADD_FAILURE() << "there is no current copy";
    return {};
  }
  Bytes boot_image(const DrCopy& copy) {
    Bytes image = site.image_content(copy.disks.at(0).image_id);
    image.resize(disk_bytes);
    return image;
  }
  std::uint64_t puts_of_replicating() {
    const std::uint64_t before = site.blocks_put();
    const Job job = replicate();
    EXPECT_EQ(job.state, JobState::succeeded) << job.error;
    return site.blocks_put() - before;
  }
  // In a part of the disk that the file system does not use yet.
  void guest_writes_elsewhere() {
    site.guest_writes(id, 0, 30 * image_block_bytes + 7, Bytes(9, std::byte{7}));
  }

  // The copy is the point but for the overlay, and there it is what the record says.
  void expect_point_with_overlay(const DrCopy& copy, const RecoveryPoint& point) {
    Bytes wanted = restored(point, "disk-a");
    const Bytes image = boot_image(copy);
    for (const ConvertedBlock& block : copy.overlay) {
      const ByteView stored = ByteView(image).subspan(block.index * image_block_bytes, image_block_bytes);
      EXPECT_EQ(to_hex(sha256(stored)), block.sha256);
      copy_bytes(stored, ByteSpan(wanted).subspan(block.index * image_block_bytes));
    }
    EXPECT_TRUE(image == wanted);
  }
  void expect_data_disk(const DrCopy& copy, const RecoveryPoint& point) {
    const Bytes wanted = restored(point, "disk-b");
    Bytes image = site.image_content(copy.disks.at(1).image_id);
    image.resize(wanted.size());
    EXPECT_TRUE(image == wanted);
  }
  void expect_nothing_else(std::size_t templates = 0) {
    EXPECT_EQ(site.image_count(), 2U);
    EXPECT_EQ(site.template_count(), templates);
    EXPECT_EQ(site.volume_count(), 0U);
    EXPECT_EQ(catalog->ledger()->size(), 2U + templates);
  }
};

TEST_F(ReplicateAheadTest, TheCopyBootsAsItIsAndSaysWhatWasChanged) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const DrCopy copy = current();
  EXPECT_TRUE(copy.converted);
  EXPECT_FALSE(copy.overlay.empty());
  EXPECT_EQ(copy.conversion.at("distribution"), "Debian GNU/Linux 12 (bookworm)");
  expect_point_with_overlay(copy, newest_point());
  MemoryDisk disk(boot_image(copy));
  const auto readiness = inspect_guest(disk, {});
  EXPECT_TRUE(readiness->ready) << readiness->reason;
  expect_nothing_else();
}

TEST_F(ReplicateAheadTest, ItsCertificateIsSignedAndBoundToThePoint) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const DrCopy copy = current();
  ASSERT_TRUE(copy.certificate.has_value());
  BootCertificate certificate = *copy.certificate;
  EXPECT_TRUE(certificate.would_boot) << certificate.reason;
  EXPECT_EQ(certificate.recovery_point_id, newest_point().id);
  ASSERT_EQ(certificate.content_ids.size(), 2U);
  EXPECT_EQ(certificate.content_ids[0], to_hex(the_vault->get(newest_point().id)->disks.at(0).content_id()));
  EXPECT_EQ(certificate.signature, the_vault->sign(signed_text(certificate)));
  certificate.would_boot = false;
  EXPECT_NE(certificate.signature, the_vault->sign(signed_text(certificate)));
}

TEST_F(ReplicateAheadTest, ABootLoaderThatIsMissingIsInTheCertificate) {
  site.guest_writes(id, 0, 0, Bytes(440));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const DrCopy copy = current();
  EXPECT_TRUE(copy.converted);
  EXPECT_FALSE(copy.certificate->would_boot);
  EXPECT_THAT(copy.certificate->reason, HasSubstr("boot loader: no boot code for BIOS"));
}

TEST_F(ReplicateAheadTest, TheNextPutsOnlyBlocksThatDiffer) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), 1U);
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
}

TEST_F(ReplicateAheadTest, WhatConversionChangesNoMoreIsPutBack) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const std::size_t overlay = current().overlay.size();
  plan_says([](DrPlan& plan) { plan.convert = ConvertWhen::at_failover; });
  EXPECT_EQ(puts_of_replicating(), overlay) << "the same point, without what was converted";
  EXPECT_FALSE(current().converted);
  EXPECT_TRUE(boot_image(current()) == restored(newest_point(), "disk-a"));
  plan_says([](DrPlan& plan) { plan.convert = ConvertWhen::ahead; });
  EXPECT_EQ(puts_of_replicating(), overlay);
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
}

TEST_F(ReplicateAheadTest, AGuestThatCannotBeConvertedIsSafeAllTheSame) {
  site.guest_writes(id, 0, 0, Bytes(64 * kib, std::byte{0x5a}));  // no partition table
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const Job job = replicate();
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  const DrCopy copy = current();
  EXPECT_FALSE(copy.converted);
  EXPECT_FALSE(copy.certificate->would_boot);
  EXPECT_FALSE(copy.certificate->reason.empty());
  EXPECT_TRUE(boot_image(copy) == restored(newest_point(), "disk-a"));
  EXPECT_EQ(puts_of_replicating(), 0U) << "it was tried: the copy is up to date";
}

TEST_F(ReplicateAheadTest, AnAmiIsKeptReadyAndFollowsTheCopy) {
  plan_says([](DrPlan& plan) { plan.workflow = DrWorkflow::ami; });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const TemplateId first = current().template_id;
  EXPECT_FALSE(first.empty());
  expect_nothing_else(1);
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_NE(current().template_id, first);
  expect_nothing_else(1);
}

TEST_F(ReplicateAheadTest, AnAmiThatSomebodyDeregisteredIsRegisteredAnew) {
  plan_says([](DrPlan& plan) { plan.workflow = DrWorkflow::ami; });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const DrCopy copy = current();
  ASSERT_TRUE(site.remove_template(copy.template_id).ok());
  EXPECT_EQ(puts_of_replicating(), 0U);
  EXPECT_EQ(current().template_id, copy.template_id) << "one that was made just now may be listed late";
  clock.advance(std::chrono::minutes(3));
  EXPECT_EQ(puts_of_replicating(), 0U);
  EXPECT_EQ(current().id, copy.id);
  EXPECT_NE(current().template_id, copy.template_id);
  expect_nothing_else(1);
}

TEST_F(ReplicateAheadTest, AWorkflowIsChangedWithoutANewCopy) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const std::string copy = current().id;
  plan_says([](DrPlan& plan) { plan.workflow = DrWorkflow::ami; });
  EXPECT_EQ(puts_of_replicating(), 0U);
  EXPECT_EQ(current().id, copy);
  EXPECT_FALSE(current().template_id.empty());
  expect_nothing_else(1);
  plan_says([](DrPlan& plan) { plan.workflow = DrWorkflow::snapshots; });
  EXPECT_EQ(puts_of_replicating(), 0U);
  EXPECT_TRUE(current().template_id.empty());
  expect_nothing_else();
  // The template was made by a later job than the images: both go when the copy is replaced.
  plan_says([](DrPlan& plan) { plan.workflow = DrWorkflow::ami; });
  EXPECT_EQ(puts_of_replicating(), 0U);
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), 1U);
  EXPECT_NE(current().id, copy);
  expect_nothing_else(1);
}

TEST_F(ReplicateAheadTest, ThroughAVolumeTheCopyIsTheSame) {
  plan_says([](DrPlan& plan) { plan.write = ImageWriting::volume; });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), 1U);
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
  // And the other way goes on with what this one made.
  plan_says([](DrPlan& plan) { plan.write = ImageWriting::direct; });
  guest_writes_elsewhere();
  site.guest_writes(id, 0, 29 * image_block_bytes, Bytes(1, std::byte{1}));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), 1U);
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
}

TEST_F(ReplicateAheadTest, ThroughAVolumeAnEncryptedCopyHoldsItsZerosToo) {
  plan_says([](DrPlan& plan) {
    plan.write = ImageWriting::volume;
    plan.encrypt_copies = true;
  });
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), all_blocks);
  EXPECT_TRUE(site.image(current().disks.at(0).image_id)->zeros_must_be_put);
  expect_point_with_overlay(current(), newest_point());
  expect_data_disk(current(), newest_point());
  site.guest_writes(id, 0, 30 * image_block_bytes, Bytes(image_block_bytes));  // becomes zeros
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), 1U);
  expect_point_with_overlay(current(), newest_point());
  expect_data_disk(current(), newest_point());
  expect_nothing_else();
}

// What the copy before left out is noise on the encrypted volume of it, as is seen by the volume where the
// account does not let itself be asked.
TEST_F(ReplicateAheadTest, ThroughAVolumeAllIsWrittenWhenTheAccountBeganToEncrypt) {
  plan_says([](DrPlan& plan) { plan.write = ImageWriting::volume; });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_LT(puts_of_replicating(), all_blocks);
  site.set_encrypts_by_default(true);
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  int created = 0;  // the second disk's volume, at first, is not: the first one's is asked for once only
  site.set_fault([&](std::string_view method, bool done) -> Result<> {
    if (method == "encrypts_by_default") return error(ErrorCode::permission_denied, "not allowed");
    if (method != "create_volume" || done || ++created != 2) return {};
    return error(ErrorCode::unavailable, "the connection was lost");
  });
  EXPECT_EQ(puts_of_replicating(), all_blocks);
  site.set_fault({});
  EXPECT_EQ(created, 3);
  for (const DrCopyDisk& disk : current().disks) {
    EXPECT_TRUE(site.image(disk.image_id)->zeros_must_be_put);
    EXPECT_FALSE(site.image(disk.image_id)->parent.has_value());
  }
  expect_point_with_overlay(current(), newest_point());
  expect_data_disk(current(), newest_point());
  site.guest_writes(id, 0, 29 * image_block_bytes, Bytes(1, std::byte{1}));
  ASSERT_EQ(back_up().state, JobState::succeeded);
  EXPECT_EQ(puts_of_replicating(), 1U);
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
}

// Every call fails once, before or after it took effect.
TEST_F(ReplicateAheadTest, ThroughAVolumeNoLostAnswerLeavesAnythingBehind) {
  plan_says([](DrPlan& plan) {
    plan.write = ImageWriting::volume;
    plan.workflow = DrWorkflow::ami;
  });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  for (const char* method : {"create_volume", "open_volume_writer", "put_block", "complete", "freeze_volume",
                             "remove_volume", "register_template", "remove_template", "remove_image"}) {
    for (const bool done : {false, true}) {
      guest_writes_elsewhere();
      site.guest_writes(id, 0, 28 * image_block_bytes, seeded.bytes(100));
      ASSERT_EQ(back_up().state, JobState::succeeded);
      bool failed = false;
      site.set_fault([&](std::string_view called, bool was_done) -> Result<> {
        if (failed || called != method || was_done != done) return {};
        failed = true;
        return error(ErrorCode::unavailable, "the connection was lost");
      });
      const Job job = replicate();
      site.set_fault({});
      ASSERT_EQ(job.state, JobState::succeeded) << method << " " << done << ": " << job.error;
      if (std::string_view(method).starts_with("remove_")) {
        guest_writes_elsewhere();
        clock.advance(std::chrono::minutes(3));  // what was made just now is not believed to be gone
        ASSERT_EQ(replicate().state, JobState::succeeded) << "what could not be removed goes with the next";
      }
      expect_point_with_overlay(current(), newest_point());
      expect_nothing_else(1);
    }
  }
}

TEST_F(ReplicateAheadTest, ACopyOfAnEarlierPointStandsAsideOfTheCurrentOne) {
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const RecoveryPoint earlier = newest_point();
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  const DrCopy before = current();
  const std::uint64_t puts = site.blocks_put();
  const Job job = run(JobKind::replicate, parameters_of(ReplicateRequest{"plan", "web", earlier.id.str()}));
  ASSERT_EQ(job.state, JobState::succeeded) << job.error;
  EXPECT_EQ(site.blocks_put() - puts, 1U) << "it is made on top of the current copy";
  const auto aside = catalog->get<DrCopy>(job.data.at("copy").at("id").get<std::string>()).value();
  EXPECT_EQ(aside.state, DrCopyState::aside);
  expect_point_with_overlay(aside, earlier);
  EXPECT_EQ(current().id, before.id);
  expect_point_with_overlay(current(), newest_point());
  // A failover that died takes it along no more: it goes by itself, after a day.
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_EQ(copies().size(), 2U);
  clock.advance(std::chrono::hours(25));
  ASSERT_EQ(replicate().state, JobState::succeeded);
  EXPECT_EQ(copies().size(), 1U);
  expect_nothing_else();
  const Job unknown = run(JobKind::replicate, parameters_of(ReplicateRequest{"plan", "web", "none"}));
  EXPECT_THAT(unknown.error, HasSubstr("web has no recovery point none"));
}

TEST_F(ReplicateAheadTest, EveryBlockIsReadBackWhereThePlanWantsIt) {
  plan_says([](DrPlan& plan) { plan.verify_all = true; });
  ASSERT_EQ(back_up().state, JobState::succeeded);
  ASSERT_EQ(replicate().state, JobState::succeeded);
  // Damage far from everything that the next one writes.
  const DrCopy copy = current();
  site.damage_image(copy.disks[0].image_id, 20 * image_block_bytes);
  guest_writes_elsewhere();
  ASSERT_EQ(back_up().state, JobState::succeeded);
  const Job job = replicate();
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_THAT(job.error, HasSubstr("block 20 of the new DR copy is not what was written"));
  EXPECT_EQ(current().id, copy.id);
  // Which is damaged there itself: the next does not build on it.
  ASSERT_EQ(current().damaged.size(), 1U);
  EXPECT_EQ(current().damaged[0].disk_id, DiskId("disk-a"));
  EXPECT_EQ(current().damaged[0].block, 20U);
  const Job next = replicate();
  ASSERT_EQ(next.state, JobState::succeeded) << next.error;
  EXPECT_TRUE(current().damaged.empty());
  expect_point_with_overlay(current(), newest_point());
  expect_nothing_else();
}

}  // namespace
}  // namespace rekindle
