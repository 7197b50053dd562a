// Images: started, written, sealed, removed.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "aws/aws_site_fixture.h"
#include "site/refusal.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

TEST_F(AwsSiteTest, NeedsARegionAndAKey) {
  AwsSiteOptions wrong = options();
  wrong.region.clear();
  EXPECT_EQ(AwsSite::make(wrong, transport, clock, random).error().code(), ErrorCode::invalid_argument);
  wrong = options();
  wrong.credentials = {"AKIDEXAMPLE", ""};
  EXPECT_EQ(AwsSite::make(wrong, transport, clock, random).error().code(), ErrorCode::invalid_argument);
}

TEST_F(AwsSiteTest, SaysWhichAccountItIs) {
  transport.answer(200,
                   "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"
                   "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
                   "</GetCallerIdentityResponse>");
  EXPECT_EQ(*site->identity(), "123456789012");
  EXPECT_EQ(transport.form(0, "Version"), "2011-06-15");
  EXPECT_THAT(std::string(last().headers.get("Authorization")), HasSubstr("/eu-central-1/sts/aws4_request"));
}

TEST_F(AwsSiteTest, AsksSystemsManagerOfItsRegionForScripts) {
  AwsSiteOptions real = options();
  real.endpoint.clear();
  const auto made = AwsSite::make(real, transport, clock, random);
  ASSERT_TRUE(made.ok()) << made.error().message();
  transport.answer(200, R"({"InstanceInformationList": []})");
  EXPECT_FALSE((*made)->guest_scripts().takes_scripts(InstanceId("i-1")).value());
  EXPECT_EQ(last().url, "https://ssm.eu-central-1.amazonaws.com/");
}

TEST_F(AwsSiteTest, NamesTheKeyWhoseSecretIsWrong) {
  transport.answer(403, fault_xml("SignatureDoesNotMatch"));
  const auto identity = site->identity();
  EXPECT_EQ(identity.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(identity.error().message(), HasSubstr("AKIDEXAMPLE"));
}

TEST_F(AwsSiteTest, RoundsAnImageUpToWholeGibibytesAndRemembersItsParent) {
  EXPECT_EQ(start(ImageId("snap-0")).str(), "snap-1");
  const auto body = nlohmann::json::parse(last().body_text());
  EXPECT_EQ(body["VolumeSize"], 2);
  EXPECT_EQ(body["ClientToken"], "token");

  transport.answer(
      200, snapshots("completed",
                     "<encrypted>true</encrypted><tagSet><item><key>rekindle</key><value>yes</value></item>"
                     "<item><key>rekindle:parent-image</key><value>snap-0</value></item></tagSet>"));
  const auto image = site->image(ImageId("snap-1"));
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(image->parent, ImageId("snap-0"));
  EXPECT_EQ(image->tags, (Tags{{"rekindle", "yes"}}));
  EXPECT_EQ(image->size_bytes, 2 * gib);
  EXPECT_EQ(image->state, ImageState::complete);
  EXPECT_TRUE(image->zeros_must_be_put);
}

TEST_F(AwsSiteTest, WaitsWhileTooManyImagesArePending) {
  for (int i = 0; i < 2; ++i) {
    transport.answer(400, R"({"Message":"too many"})",
                     {{"x-amzn-ErrorType", "ConcurrentLimitExceededException"}});
  }
  EXPECT_EQ(start(), ImageId("snap-1"));
  EXPECT_EQ(transport.requests().size(), 3U);
}

TEST_F(AwsSiteTest, FreezesAVolumeWhenOthersAreComplete) {
  const std::string none = "<R xmlns='urn:ec2'><snapshotSet/></R>";
  transport.answer(200, none);
  for (const char* code : {"PendingSnapshotLimitExceeded", "ConcurrentSnapshotLimitExceeded"})
    transport.answer(400, fault_xml(code));
  transport.answer(200,
                   "<R "
                   "xmlns='urn:ec2'><snapshotId>snap-1</snapshotId><status>pending</status><volumeSize>1</"
                   "volumeSize></R>");
  const Time start = clock.now();
  const auto frozen = site->freeze_volume(VolumeId("vol-1"), {gib, {}, "", "token", {}});
  ASSERT_TRUE(frozen.ok()) << frozen.error().message();
  EXPECT_EQ(*frozen, ImageId("snap-1"));
  EXPECT_EQ(transport.unused(), 0U);
  EXPECT_EQ(clock.now() - start, std::chrono::seconds(10)) << "two pauses";
}

TEST_F(AwsSiteTest, WaitsForOthersNoLongerWhenTheUserSaysStop) {
  std::stop_source stop;
  stop.request_stop();
  transport.answer(400, R"({"Message":"too many"})",
                   {{"x-amzn-ErrorType", "ConcurrentLimitExceededException"}});
  ImageSpec spec{gib, {}, "", "token", {}};
  spec.stop = stop.get_token();
  EXPECT_EQ(site->start_image(spec).error().code(), ErrorCode::cancelled);
}

TEST_F(AwsSiteTest, WaitsForAnImageThatEc2DoesNotKnowYet) {
  const ImageId id = start();
  for (int i = 0; i < 3; ++i) transport.answer(400, fault_xml("InvalidSnapshot.NotFound"));
  transport.answer(200, snapshots("pending"));
  EXPECT_EQ(site->image(id)->state, ImageState::pending);
}

TEST_F(AwsSiteTest, BelievesAtOnceThatAnImageItDidNotMakeIsAbsent) {
  transport.answer(400, fault_xml("InvalidSnapshot.NotFound"));
  EXPECT_EQ(site->image(ImageId("snap-9")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(AwsSiteTest, BelievesAtOnceThatAnImageItRemovedIsGone) {
  const ImageId id = start();
  transport.answer(200, "<R><return>true</return></R>");
  EXPECT_TRUE(site->remove_image(id).ok());
  transport.answer(400, fault_xml("InvalidSnapshot.NotFound"));
  EXPECT_EQ(site->image(id).error().code(), ErrorCode::not_found);
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(AwsSiteTest, WritesSealsAndWaitsUntilTheImageIsComplete) {
  const auto writer = open_writer();
  const Bytes block(image_block_bytes, std::byte{1});
  for (int i = 0; i < 2; ++i) transport.answer(201, "{}");
  EXPECT_TRUE(writer->put_block(5, block).ok());
  EXPECT_TRUE(writer->put_block(5, block).ok());
  transport.answer(202, "{}");
  transport.answer(200, snapshots("pending"));
  transport.answer(200, snapshots("completed"));
  const auto completed = writer->complete();
  ASSERT_TRUE(completed.ok()) << completed.error().message();
  EXPECT_EQ(transport.requests()[3].headers.get("x-amz-ChangedBlocksCount"), "1") << "the same block twice";
  EXPECT_EQ(transport.requests()[3].headers.get("x-amz-Checksum"), to_base64(sha256(sha256(block))));
}

TEST_F(AwsSiteTest, ANewWriterGoesOnWhereADeadOneStopped) {
  const Bytes first(image_block_bytes, std::byte{1});
  const Bytes second(image_block_bytes, std::byte{2});
  auto dead = open_writer();
  transport.answer(201, "{}");
  ASSERT_TRUE(dead->put_block(0, first).ok());
  const auto checkpoint = dead->put_so_far();
  dead.reset();

  const auto writer = open_writer();
  writer->resume_from(checkpoint);
  transport.answer(201, "{}");
  ASSERT_TRUE(writer->put_block(1, second).ok());
  transport.answer(202, "{}");
  transport.answer(200, snapshots("completed"));
  ASSERT_TRUE(writer->complete().ok());
  const HttpRequest& sealed = transport.requests()[transport.requests().size() - 2];
  Bytes digests = to_bytes(sha256(first));
  const Sha256 other = sha256(second);
  digests.insert(digests.end(), other.begin(), other.end());
  EXPECT_EQ(sealed.headers.get("x-amz-ChangedBlocksCount"), "2");
  EXPECT_EQ(sealed.headers.get("x-amz-Checksum"), to_base64(sha256(digests)));
}

TEST_F(AwsSiteTest, SealsOnceWhenTheAnswerToTheFirstCallWasLost) {
  const auto writer = open_writer();
  transport.lose_connection();
  transport.answer(400, R"({"Message":"not pending","Reason":"INVALID_SNAPSHOT_ID"})",
                   {{"x-amzn-ErrorType", "ValidationException"}});
  transport.answer(200, snapshots("completed"));
  EXPECT_TRUE(writer->complete().ok());
}

// By a process that died while AWS was completing it.
TEST_F(AwsSiteTest, WaitsLongForAnImageThatAnEarlierProcessSealed) {
  const auto writer = open_writer();
  transport.answer(400, R"({"Message":"not pending","Reason":"INVALID_SNAPSHOT_ID"})",
                   {{"x-amzn-ErrorType", "ValidationException"}});
  const Time before = clock.now();
  for (int i = 0; i < 300; ++i) transport.answer(200, snapshots("pending"));
  for (int i = 0; i < 8; ++i) transport.lose_connection();  // not knowing is not a verdict
  transport.answer(200, snapshots("completed"));
  const auto completed = writer->complete();
  EXPECT_TRUE(completed.ok()) << completed.error().message();
  EXPECT_GT(clock.now() - before, std::chrono::minutes(9));
}

TEST_F(AwsSiteTest, ReportsARefusedSealWhenTheImageDoesNotBecomeComplete) {
  const auto writer = open_writer();
  transport.answer(400, R"({"Message":"wrong count"})", {{"x-amzn-ErrorType", "ValidationException"}});
  const Time before = clock.now();
  for (int i = 0; i < 1000; ++i) transport.answer(200, snapshots("pending"));
  EXPECT_THAT(writer->complete().error().message(), HasSubstr("wrong count"));
  EXPECT_GE(clock.now() - before, AwsSiteOptions().completion_time);
}

TEST_F(AwsSiteTest, ReportsAtOnceThatOtherBlocksWerePut) {
  const auto writer = open_writer();
  transport.answer(400, R"({"Message":"x-amz-ChangedBlocksCount is 2, but 3 blocks were put"})",
                   {{"x-amzn-ErrorType", "ValidationException"}});
  EXPECT_EQ(writer->complete().error().code(), ErrorCode::corrupt);
  EXPECT_EQ(transport.requests().size(), 2U);
}

TEST_F(AwsSiteTest, CallsAnImageThatAwsCouldNotCompleteCorrupt) {
  const auto writer = open_writer();
  transport.answer(202, "{}");
  transport.answer(200, snapshots("error", "<statusMessage>checksum</statusMessage>"));
  EXPECT_EQ(writer->complete().error().code(), ErrorCode::corrupt);
}

TEST_F(AwsSiteTest, PutsNoFasterThanOneSnapshotTakesWhateverTheAccountMay) {
  AwsSiteOptions fast = options();
  fast.ebs_quotas.put = {5000, 100};
  site = *AwsSite::make(fast, transport, clock, random);
  const auto writer = open_writer();
  const Bytes block(image_block_bytes);
  const Time start = clock.now();
  for (int i = 0; i < 110; ++i) transport.answer(201, "{}");
  for (std::uint64_t i = 0; i < 110; ++i) ASSERT_TRUE(writer->put_block(i, block).ok());
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(100)) << "10 at once, then 1000 a second";
}

TEST_F(AwsSiteTest, RefusesABlockOutsideTheImage) {
  const auto writer = open_writer();
  const Bytes block(image_block_bytes);
  EXPECT_EQ(writer->put_block(4096, block).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(writer->put_block(0, ByteView(block).first(512)).error().code(), ErrorCode::invalid_argument);
}

TEST_F(AwsSiteTest, OpensOnlyWhatIsInTheRightState) {
  transport.answer(200, snapshots("completed"));
  EXPECT_EQ(site->open_writer(ImageId("snap-1")).error().code(), ErrorCode::failed_precondition);
  transport.answer(200, snapshots("pending"));
  EXPECT_EQ(site->open_image(ImageId("snap-1")).error().code(), ErrorCode::failed_precondition);
}

TEST_F(AwsSiteTest, RemovingWhatIsAbsentIsFine) {
  transport.answer(400, fault_xml("InvalidSnapshot.NotFound"));
  EXPECT_TRUE(site->remove_image(ImageId("snap-1")).ok());
  transport.answer(400, fault_xml("InvalidAMIID.NotFound"));
  EXPECT_TRUE(site->remove_template(TemplateId("ami-1")).ok());
  transport.answer(400, fault_xml("InvalidAMIID.Unavailable"));
  EXPECT_TRUE(site->remove_template(TemplateId("ami-1")).ok());
  transport.answer(400, fault_xml("InvalidInstanceID.NotFound"));
  EXPECT_TRUE(site->terminate(InstanceId("i-1")).ok());
}

// A policy that asks for our tag refuses what is gone as it refuses what is not ours: neither has it.
TEST_F(AwsSiteTest, TellsWhatIsGoneFromWhatItMayNotRemove) {
  const auto refused_but = [&](int status, const std::string& described) {
    transport.answer(403, fault_xml("UnauthorizedOperation"));
    transport.answer(status, described);
  };
  refused_but(400, fault_xml("InvalidSnapshot.NotFound"));
  EXPECT_TRUE(site->remove_image(ImageId("snap-1")).ok());
  refused_but(200, snapshots("completed"));
  EXPECT_EQ(site->remove_image(ImageId("snap-1")).error().code(), ErrorCode::permission_denied);
  refused_but(400, fault_xml("InvalidAMIID.NotFound"));
  EXPECT_TRUE(site->remove_template(TemplateId("ami-1")).ok());
  refused_but(400, fault_xml("InvalidAMIID.Unavailable"));
  EXPECT_TRUE(site->remove_template(TemplateId("ami-1")).ok());
  refused_but(200, images("deregistered"));
  EXPECT_TRUE(site->remove_template(TemplateId("ami-1")).ok());
  refused_but(200, "<R xmlns='urn:ec2'><imagesSet/></R>");
  EXPECT_TRUE(site->remove_template(TemplateId("ami-1")).ok());
  for (const char* state : {"available", "pending"}) {  // which is not waited for
    refused_but(200, images(state));
    EXPECT_EQ(site->remove_template(TemplateId("ami-1")).error().code(), ErrorCode::permission_denied);
  }
  refused_but(400, fault_xml("InvalidInstanceID.NotFound"));
  EXPECT_TRUE(site->terminate(InstanceId("i-1")).ok());
  refused_but(400, fault_xml("UnauthorizedOperation"));  // may not look, either
  EXPECT_EQ(site->terminate(InstanceId("i-1")).error().code(), ErrorCode::permission_denied);
  transport.answer(200,
                   "<R xmlns='urn:ec2'><volumeSet><item><volumeId>vol-1</volumeId><size>1</size>"
                   "<status>available</status></item></volumeSet></R>");
  refused_but(400, fault_xml("InvalidVolume.NotFound"));
  EXPECT_TRUE(site->remove_object({ResourceKind::volume, "vol-1", "", {}}).ok());
  EXPECT_EQ(transport.unused(), 0U);
}

// AWS describes it for an hour, and drops its tags before.
TEST_F(AwsSiteTest, TakesATerminatedInstanceThatItMayNotTerminateForGone) {
  for (const char* state : {"shutting-down", "terminated"}) {
    transport.answer(403, fault_xml("UnauthorizedOperation"));
    transport.answer(200, instances(state));
    EXPECT_TRUE(site->terminate(InstanceId("i-1")).ok()) << state;
  }
  transport.answer(403, fault_xml("UnauthorizedOperation"));
  transport.answer(200, instances("running"));
  EXPECT_EQ(site->terminate(InstanceId("i-1")).error().code(), ErrorCode::permission_denied);
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(AwsSiteTest, RemovesWhatItJustMadeAlthoughItIsSaidToBeAbsent) {
  const ImageId id = start();
  for (int i = 0; i < 3; ++i) transport.answer(400, fault_xml("InvalidSnapshot.NotFound"));
  transport.answer(200, "<R><return>true</return></R>");
  EXPECT_TRUE(site->remove_image(id).ok());
  EXPECT_EQ(transport.unused(), 0U) << "else the snapshot would stay for ever";
}

TEST_F(AwsSiteTest, WaitsUntilAnImageIsReleasedByItsTemplateAndThenGivesUp) {
  for (int i = 0; i < 2; ++i) transport.answer(400, fault_xml("InvalidSnapshot.InUse"));
  transport.answer(200, "<R><return>true</return></R>");
  EXPECT_TRUE(site->remove_image(ImageId("snap-1")).ok());
  for (int i = 0; i < 20; ++i) transport.answer(400, fault_xml("InvalidSnapshot.InUse"));
  EXPECT_EQ(site->remove_image(ImageId("snap-1")).error().code(), ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace rekindle
