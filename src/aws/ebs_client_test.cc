#include "aws/ebs_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "aws/canned_transport.h"

namespace rekindle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view zeros_checksum = "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=";
const ImageId image("snap-1");

HttpHeaders fault_type(std::string_view type) {
  return {{"x-amzn-ErrorType", std::string(type)}};
}

class EbsClientTest : public testing::Test {
 protected:
  Result<> put_zeros(std::chrono::milliseconds settle_for = {}) {
    return ebs.put_block(image, 7, zeros, sha256(zeros), settle_for);
  }
  void answer_block(std::string_view checksum) {
    transport.answer(200, as_text(zeros), {{"x-amz-Checksum", std::string(checksum)}});
  }

  const Bytes zeros = Bytes(image_block_bytes);
  CannedTransport transport;
  ManualClock clock{*from_iso8601("2026-11-22T12:00:00Z")};
  SeededRandom random{1};
  EbsClient ebs{*ServiceClient::make({"ebs", "eu-central-1", "http://127.0.0.1:1", {"AKID", "secret", ""}},
                                     transport, clock, random),
                EbsQuotas(), clock};
};

TEST_F(EbsClientTest, StartsASnapshotWithTokenParentAndTags) {
  transport.answer(201, R"({"SnapshotId":"snap-9","Status":"pending"})");
  StartSnapshotRequest request{12, ImageId("snap-0"), "of web", "token-1", {{"rekindle", "yes"}}, {}};
  request.timeout = std::chrono::minutes(30);
  const auto id = ebs.start_snapshot(request);
  ASSERT_TRUE(id.ok()) << id.error().message();
  EXPECT_EQ(id->str(), "snap-9");
  EXPECT_EQ(transport.requests()[0].url, "http://127.0.0.1:1/snapshots");
  EXPECT_EQ(nlohmann::json::parse(transport.requests()[0].body_text()), nlohmann::json::parse(R"({
      "VolumeSize": 12, "ParentSnapshotId": "snap-0", "Description": "of web", "ClientToken": "token-1",
      "Timeout": 30, "Tags": [{"Key": "rekindle", "Value": "yes"}]})"));
}

TEST_F(EbsClientTest, SaysWhenTheTokenWasUsedForAnotherSnapshot) {
  transport.answer(409, R"({"Message":"token in use"})", fault_type("ConflictException"));
  EXPECT_EQ(ebs.start_snapshot({1, {}, "", "token", {}}).error().code(), ErrorCode::already_exists);
}

TEST_F(EbsClientTest, EncryptsWhatHasNoParent) {
  for (int i = 0; i < 2; ++i) transport.answer(201, R"({"SnapshotId":"snap-9"})");
  StartSnapshotRequest request{1, {}, "", "token", {}};
  request.encrypted = true;
  request.kms_key_arn = "arn:aws:kms:r:1:key/1";
  ASSERT_TRUE(ebs.start_snapshot(request).ok());
  const auto body = nlohmann::json::parse(transport.requests()[0].body_text());
  EXPECT_EQ(body["Encrypted"], true);
  EXPECT_EQ(body["KmsKeyArn"], "arn:aws:kms:r:1:key/1");
  request.parent = image;
  ASSERT_TRUE(ebs.start_snapshot(request).ok());
  EXPECT_FALSE(nlohmann::json::parse(transport.requests()[1].body_text()).contains("Encrypted"));
}

TEST_F(EbsClientTest, TellsThatAnUnencryptedParentCanHaveNoChild) {
  transport.answer(400, R"({"Message":"The parent is not encrypted, encryption by default is enabled"})",
                   fault_type("ValidationException"));
  const auto started = ebs.start_snapshot({1, image, "", "token", {}});
  EXPECT_EQ(started.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(started.error().message(), HasSubstr("the account encrypts by default now"));
}

TEST_F(EbsClientTest, SaysWhenTooManySnapshotsArePending) {
  transport.answer(400, R"({"Message":"too many"})", fault_type("ConcurrentLimitExceededException"));
  EXPECT_EQ(ebs.start_snapshot({1, {}, "", "token", {}}).error().code(), ErrorCode::exhausted);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(EbsClientTest, PutsABlockWithItsChecksumAndAnUnsignedBody) {
  transport.answer(201, "{}", {{"x-amz-Checksum", std::string(zeros_checksum)}});
  ASSERT_TRUE(put_zeros().ok());
  const HttpRequest& sent = transport.requests()[0];
  EXPECT_EQ(sent.method, "PUT");
  EXPECT_EQ(sent.url, "http://127.0.0.1:1/snapshots/snap-1/blocks/7");
  EXPECT_EQ(sent.headers.get("x-amz-Checksum"), zeros_checksum);
  EXPECT_EQ(sent.headers.get("x-amz-Data-Length"), "524288");
  EXPECT_EQ(sent.headers.get("x-amz-Content-Sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(sent.body, Bytes(image_block_bytes));
  EXPECT_THAT(
      std::string(sent.headers.get("Authorization")),
      HasSubstr(
          "SignedHeaders=content-type;host;x-amz-checksum;x-amz-checksum-algorithm;x-amz-content-sha256;"
          "x-amz-data-length;x-amz-date,"));
}

TEST_F(EbsClientTest, PutsAgainWhatTheServiceCouldNotTake) {
  transport.answer(400, R"({"Message":"Failed to read block data","Reason":"INVALID_PARAMETER_VALUE"})",
                   fault_type("ValidationException"));
  transport.answer(400, R"({"Message":"slow down","Reason":"RESOURCE_LEVEL_THROTTLE"})",
                   fault_type("RequestThrottledException"));
  transport.answer(500, "{}", fault_type("InternalServerException"));
  transport.lose_connection();
  transport.answer(201, "{}");
  const auto put = put_zeros();
  EXPECT_TRUE(put.ok()) << put.error().message();
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(EbsClientTest, PutsAsLateAsAwsAllows) {
  for (int i = 0; i < 40; ++i) {
    transport.answer(400, R"({"Message":"slow down","Reason":"ACCOUNT_THROTTLED"})",
                     fault_type("ThrottlingException"));
  }
  transport.answer(201, "{}");
  EXPECT_TRUE(put_zeros().ok());
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(EbsClientTest, PutsAgainWhileANewSnapshotIsSaidNotToExist) {
  for (int i = 0; i < 10; ++i) {
    transport.answer(404, R"({"Message":"The snapshot does not exist.","Reason":"SNAPSHOT_NOT_FOUND"})",
                     fault_type("ResourceNotFoundException"));
  }
  transport.answer(201, "{}");
  EXPECT_TRUE(put_zeros(std::chrono::minutes(2)).ok());
}

TEST_F(EbsClientTest, BelievesAtOnceThatAnOldSnapshotDoesNotExist) {
  transport.answer(404, R"({"Message":"no","Reason":"SNAPSHOT_NOT_FOUND"})",
                   fault_type("ResourceNotFoundException"));
  EXPECT_EQ(put_zeros().error().code(), ErrorCode::not_found);
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(EbsClientTest, DoesNotRepeatWhatIsNotAllowed) {
  transport.answer(403, R"({"Message":"no"})", fault_type("AccessDeniedException"));
  const auto put = put_zeros();
  EXPECT_EQ(put.error().code(), ErrorCode::permission_denied);
  EXPECT_THAT(put.error().message(), HasSubstr("ebs:PutSnapshotBlock"));
  EXPECT_EQ(transport.requests().size(), 1U);
}

TEST_F(EbsClientTest, NoticesThatAwsStoredSomethingElse) {
  transport.answer(201, "{}", {{"x-amz-Checksum", "AAAA"}});
  EXPECT_EQ(put_zeros().error().code(), ErrorCode::corrupt);
}

TEST_F(EbsClientTest, SealsWithCountAndLinearChecksum) {
  transport.answer(202, R"({"Status":"pending"})");
  ASSERT_TRUE(ebs.complete_snapshot(image, 3, sha256(zeros)).ok());
  const HttpRequest& sent = transport.requests()[0];
  EXPECT_EQ(sent.url, "http://127.0.0.1:1/snapshots/completion/snap-1");
  EXPECT_EQ(sent.headers.get("x-amz-ChangedBlocksCount"), "3");
  EXPECT_EQ(sent.headers.get("x-amz-Checksum"), zeros_checksum);
  EXPECT_EQ(sent.headers.get("x-amz-Checksum-Aggregation-Method"), "LINEAR");
}

TEST_F(EbsClientTest, SealsAnImageWithoutBlocksWithoutAChecksum) {
  transport.answer(202, R"({"Status":"pending"})");
  ASSERT_TRUE(ebs.complete_snapshot(image, 0, sha256({})).ok());
  EXPECT_EQ(transport.requests()[0].headers.get("x-amz-ChangedBlocksCount"), "0");
  EXPECT_FALSE(transport.requests()[0].headers.has("x-amz-Checksum"));
}

TEST_F(EbsClientTest, CallsARefusedChecksumCorrupt) {
  transport.answer(400, R"({"Message":"The checksum does not match"})", fault_type("ValidationException"));
  EXPECT_EQ(ebs.complete_snapshot(image, 3, sha256(zeros)).error().code(), ErrorCode::corrupt);
}

TEST_F(EbsClientTest, ListsBlocksWithTheirTokensAndExpiry) {
  transport.answer(200, R"({"Blocks":[{"BlockIndex":3,"BlockToken":"a+/="}],"ExpiryTime":1795953600.5,
                             "BlockSize":524288,"NextToken":"next"})");
  const auto page = ebs.list_blocks(image, 2048, "");
  ASSERT_TRUE(page.ok()) << page.error().message();
  ASSERT_EQ(page->blocks.size(), 1U);
  EXPECT_EQ(page->blocks[0].index, 3U);
  EXPECT_EQ(page->blocks[0].token, "a+/=");
  EXPECT_EQ(page->next_token, "next");
  EXPECT_EQ(to_iso8601(*page->expires), "2026-11-29T12:00:00.500Z");
  EXPECT_EQ(transport.query(0, "startingBlockIndex"), "2048");
}

TEST_F(EbsClientTest, RefusesAListThatIsNotOne) {
  transport.answer(200, "[]");
  EXPECT_EQ(ebs.list_blocks(image, 0, "").error().code(), ErrorCode::internal);
  transport.answer(200, R"({"Blocks":[{"BlockToken":"a"}]})");
  EXPECT_EQ(ebs.list_blocks(image, 0, "").error().code(), ErrorCode::internal);
  transport.answer(200, R"({"Blocks":"none"})");
  EXPECT_EQ(ebs.list_blocks(image, 0, "").error().code(), ErrorCode::internal);
}

TEST_F(EbsClientTest, CollectsChangedBlocksOverAllPagesEvenEmptyOnes) {
  transport.answer(200, R"({"ChangedBlocks":[{"BlockIndex":1,"SecondBlockToken":"x"}],"NextToken":"p2"})");
  transport.answer(200, R"({"ChangedBlocks":[],"NextToken":"p3"})");
  transport.answer(200, R"({"ChangedBlocks":[{"BlockIndex":9,"FirstBlockToken":"y"}]})");
  const auto changed = ebs.changed_blocks(ImageId("snap-2"), image);
  ASSERT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_THAT(*changed, ElementsAre(1U, 9U));
  EXPECT_THAT(transport.requests()[0].url,
              HasSubstr("/snapshots/snap-2/changedblocks?firstSnapshotId=snap-1"));
  EXPECT_EQ(transport.query(2, "pageToken"), "p3");
}

TEST_F(EbsClientTest, ReadsABlockAndVerifiesIt) {
  answer_block(zeros_checksum);
  const auto block = ebs.get_block(image, 7, "a+/=");
  ASSERT_TRUE(block.ok()) << block.error().message();
  EXPECT_EQ(*block, zeros);
  EXPECT_THAT(transport.requests()[0].url, HasSubstr("/snapshots/snap-1/blocks/7?blockToken=a%2B%2F%3D"));
}

TEST_F(EbsClientTest, ReadsAgainWhatArrivedDamagedAndThenGivesUp) {
  answer_block("wrong");
  answer_block(zeros_checksum);
  EXPECT_TRUE(ebs.get_block(image, 7, "t").ok());
  for (int i = 0; i < 3; ++i) answer_block("wrong");
  EXPECT_EQ(ebs.get_block(image, 7, "t").error().code(), ErrorCode::corrupt);
  EXPECT_EQ(transport.unused(), 0U);
}

TEST_F(EbsClientTest, TakesABlockWithoutAChecksumOrCutShortForDamaged) {
  for (int i = 0; i < 3; ++i) transport.answer(200, as_text(zeros));
  EXPECT_EQ(ebs.get_block(image, 7, "t").error().code(), ErrorCode::corrupt);
  for (int i = 0; i < 3; ++i)
    transport.answer(200, "short", {{"x-amz-Checksum", to_base64(sha256(as_bytes("short")))}});
  EXPECT_EQ(ebs.get_block(image, 7, "t").error().code(), ErrorCode::corrupt);
}

TEST_F(EbsClientTest, TellsAnExpiredTokenFromOtherRefusals) {
  transport.answer(400, R"({"Message":"expired","Reason":"INVALID_BLOCK_TOKEN"})",
                   fault_type("ValidationException"));
  EXPECT_EQ(ebs.get_block(image, 7, "t").error().code(), ErrorCode::failed_precondition);
}

TEST_F(EbsClientTest, KeepsToTheRateOfPuts) {
  const Time start = clock.now();
  for (int i = 0; i < 110; ++i) transport.answer(201, "{}");
  for (int i = 0; i < 110; ++i) ASSERT_TRUE(put_zeros().ok());
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(100)) << "10 at once, then 1000 a second";
}

}  // namespace
}  // namespace rekindle
