// What a real S3 server cannot be made to do: lost answers, throttling, and what only AWS or only others
// answer.
#include "aws/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/canned_transport.h"
#include "crypto/hash.h"

namespace rekindle {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string fault(std::string_view code, std::string_view message = "a sentence") {
  return fmt::format("<?xml version=\"1.0\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>", code,
                     message);
}

constexpr std::string_view no_uploads =
    "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
constexpr std::string_view upload_started =
    "<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>";

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() {
    options.bucket = {"bucket", "eu-central-1", "", {}, {"AKIDEXAMPLE", "secret", ""}};
    options.bucket.retries.attempts = 3;
    options.prefix = "main";
    options.part_bytes = 5 * mib;
    options.part_threads = 1;
  }
  // Opened, with the requests of the opening counted in `asked`.
  std::unique_ptr<S3Store> open() {
    transport.answer(200, "<VersioningConfiguration/>");
    if (options.lock.days > 0) {
      transport.answer(200,
                       "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                       "</ObjectLockConfiguration>");
    }
    transport.answer(200, no_uploads);
    auto store = S3Store::open(options, transport, clock, random).value();
    asked = transport.requests().size();
    return store;
  }
  const HttpRequest& request(std::size_t index) { return transport.requests().at(asked + index); }
  std::size_t requests() { return transport.requests().size() - asked; }

  const Time start = *from_iso8601("2026-11-22T12:00:00Z");
  CannedTransport transport;
  ManualClock clock{start};
  SeededRandom random{1};
  S3StoreOptions options;
  std::size_t asked = 0;
};

// The id of a put is the first thing that is drawn from `random`.
std::string first_put_id() {
  return SeededRandom(1).hex(16);
}

TEST_F(S3StoreTest, NamesTheBucketInTheHostUnlessItsNameHasDots) {
  auto store = open();
  EXPECT_EQ(transport.requests()[0].url, "https://bucket.s3.eu-central-1.amazonaws.com/?versioning=");
  options.bucket.bucket = "a.bucket";
  store = open();
  EXPECT_EQ(transport.requests()[2].url, "https://s3.eu-central-1.amazonaws.com/a.bucket/?versioning=");
}

TEST_F(S3StoreTest, RefusesWhatCannotBe) {
  options.bucket.bucket = "Bucket";
  EXPECT_EQ(S3Store::open(options, transport, clock, random).error().code(), ErrorCode::invalid_argument);
  options.bucket.bucket = "bucket";
  options.prefix = "main/";
  EXPECT_THAT(S3Store::open(options, transport, clock, random).error().message(), HasSubstr("slash"));
  options.prefix = "main";
  options.bucket.region = "";
  EXPECT_THAT(S3Store::open(options, transport, clock, random).error().message(), HasSubstr("region"));
  options.bucket.region = "eu-central-1";
  options.lock.mode = "FOR EVER";
  EXPECT_THAT(S3Store::open(options, transport, clock, random).error().message(), HasSubstr("FOR EVER"));
  EXPECT_TRUE(transport.requests().empty());
}

TEST_F(S3StoreTest, SignsTheBodysHashAndAsksForAFreeName) {
  auto store = open();
  transport.answer(200, "");
  ASSERT_TRUE(store->put("data/a", as_bytes("abc")).ok());
  const HttpRequest& put = request(0);
  EXPECT_EQ(put.url, "https://bucket.s3.eu-central-1.amazonaws.com/main/data/a");
  EXPECT_EQ(put.headers.get("If-None-Match"), "*");
  EXPECT_EQ(put.headers.get("x-amz-content-sha256"), to_hex(sha256(as_bytes("abc"))));
  EXPECT_EQ(put.headers.get("x-amz-checksum-sha256"), to_base64(sha256(as_bytes("abc"))));
  EXPECT_FALSE(put.headers.has("x-amz-object-lock-mode"));
}

TEST_F(S3StoreTest, LocksWhatItPutsButNoMarks) {
  options.lock = {30, "GOVERNANCE", {"doomed/"}};
  auto store = open();
  transport.answer(200, "");
  ASSERT_TRUE(store->put("data/a", as_bytes("abc")).ok());
  EXPECT_EQ(request(0).headers.get("x-amz-object-lock-mode"), "GOVERNANCE");
  EXPECT_EQ(request(0).headers.get("x-amz-object-lock-retain-until-date"), "2026-12-22T12:00:00.000Z");
  transport.answer(200, "");
  ASSERT_TRUE(store->put("doomed/a", {}).ok());
  EXPECT_FALSE(request(1).headers.has("x-amz-object-lock-mode"));
}

TEST_F(S3StoreTest, FindsItsOwnPutDoneWhenTheAnswerWasLost) {
  auto store = open();
  transport.lose_connection();
  transport.answer(412, fault("PreconditionFailed"));
  transport.answer(200, "", {{"x-amz-meta-rekindle-put", first_put_id()}});
  EXPECT_TRUE(store->put("data/a", as_bytes("abc")).ok());
  EXPECT_EQ(request(0).headers.get("x-amz-meta-rekindle-put"), first_put_id());
  EXPECT_EQ(request(2).method, "HEAD");
}

TEST_F(S3StoreTest, DoesNotTakeAnothersObjectForItsOwnLostPut) {
  auto store = open();
  transport.lose_connection();
  transport.answer(412, fault("PreconditionFailed"));
  transport.answer(200, "", {{"x-amz-meta-rekindle-put", "another"}});
  const auto put = store->put("data/a", as_bytes("abc"));
  EXPECT_EQ(put.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(put.error().message(), HasSubstr("object data/a exists"));
}

TEST_F(S3StoreTest, TriesAgainLaterWhenTwoPutsOfANameMeet) {
  auto store = open();
  transport.answer(409, fault("ConditionalRequestConflict"));
  transport.answer(404, "");
  EXPECT_EQ(store->put("data/a", as_bytes("abc")).error().code(), ErrorCode::unavailable);
  transport.answer(409, fault("ConditionalRequestConflict"));
  transport.answer(200, "", {{"x-amz-meta-rekindle-put", "another"}});
  EXPECT_EQ(store->put("data/a", as_bytes("abc")).error().code(), ErrorCode::already_exists);
}

TEST_F(S3StoreTest, IsUnavailableWhenTheServerAsksItToSlowDownForTooLong) {
  auto store = open();
  for (int i = 0; i < 3; ++i) transport.answer(503, fault("SlowDown", "Reduce your request rate"));
  for (int i = 0; i < 3; ++i) transport.answer(503, "");  // the question whether it was done all the same
  const auto put = store->put("data/a", as_bytes("abc"));
  EXPECT_EQ(put.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(put.error().message(), HasSubstr("SlowDown: Reduce your request rate"));
}

TEST_F(S3StoreTest, SendsAgainWhatDidNotArriveWhole) {
  auto store = open();
  transport.answer(400, fault("RequestTimeout"));
  transport.answer(400, fault("XAmzContentSHA256Mismatch"));
  transport.answer(200, "");
  EXPECT_TRUE(store->put("data/a", as_bytes("abc")).ok());
}

TEST_F(S3StoreTest, AsksFirstWhereTheServerKnowsNoConditionalPut) {
  auto store = open();
  transport.answer(501, fault("NotImplemented"));
  transport.answer(404, "");
  transport.answer(200, "");
  ASSERT_TRUE(store->put("data/a", as_bytes("abc")).ok());
  EXPECT_EQ(request(1).method, "HEAD");
  EXPECT_FALSE(request(2).headers.has("If-None-Match"));
  transport.answer(200, "");
  EXPECT_EQ(store->put("data/a", as_bytes("abc")).error().code(), ErrorCode::already_exists);
  EXPECT_EQ(requests(), 4U) << "it remembers, and puts nothing over what is there";
}

TEST_F(S3StoreTest, FindsALargeObjectDoneWhenTheAnswerToItsCompletionWasLost) {
  auto store = open();
  transport.answer(200, upload_started);
  transport.answer(200, "", {{"ETag", "\"1\""}});
  transport.answer(200, "", {{"ETag", "\"2\""}});
  transport.lose_connection();
  transport.answer(404, fault("NoSuchUpload"));
  transport.answer(404, fault("NoSuchUpload"));  // the abort
  transport.answer(200, "", {{"x-amz-meta-rekindle-put", first_put_id()}});
  const auto put = store->put("data/a", Bytes(6 * mib));
  ASSERT_TRUE(put.ok()) << put.error().message();
  EXPECT_EQ(request(0).headers.get("x-amz-meta-rekindle-put"), first_put_id());
  EXPECT_EQ(request(3).headers.get("If-None-Match"), "*");
  EXPECT_THAT(std::string(request(3).body_text()),
              HasSubstr("<PartNumber>2</PartNumber><ETag>\"2\"</ETag><ChecksumSHA256>"));
}

TEST_F(S3StoreTest, AbortsTheUploadWhenAPartIsRefused) {
  auto store = open();
  transport.answer(200, upload_started);
  transport.answer(200, "", {{"ETag", "\"1\""}});
  transport.answer(403, fault("AccessDenied"));
  transport.answer(204, "");
  EXPECT_EQ(store->put("data/a", Bytes(6 * mib)).error().code(), ErrorCode::permission_denied);
  EXPECT_EQ(request(3).method, "DELETE");
  EXPECT_THAT(request(3).url, HasSubstr("?uploadId=up"));
}

TEST_F(S3StoreTest, BelievesNoCompletionThatCarriesAnErrorInItsBody) {
  auto store = open();
  transport.answer(200, upload_started);
  transport.answer(200, "", {{"ETag", "\"1\""}});
  transport.answer(200, "", {{"ETag", "\"2\""}});
  transport.answer(200, fault("InternalError", "We encountered an internal error. Please try again."));
  transport.answer(204, "");
  transport.answer(404, "");
  const auto put = store->put("data/a", Bytes(6 * mib));
  EXPECT_EQ(put.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(put.error().message(), HasSubstr("InternalError"));
}

TEST_F(S3StoreTest, TellsABrokenConnectionFromAnObjectThatEnds) {
  auto store = open();
  Bytes part(10);
  transport.answer(206, "short", {{"Content-Length", "10"}});
  EXPECT_EQ(store->read_at("data/a", 0, part).error().code(), ErrorCode::unavailable);
  transport.answer(206, "short", {{"Content-Length", "5"}});
  EXPECT_EQ(store->read_at("data/a", 0, part).error().code(), ErrorCode::corrupt);
  transport.answer(200, "short", {{"Content-Length", "10"}});
  EXPECT_EQ(store->get("data/a").error().code(), ErrorCode::unavailable);
}

TEST_F(S3StoreTest, CutsTheRangeOutWhereTheServerSendsAll) {
  auto store = open();
  Bytes part(3);
  transport.answer(200, "0123456789");
  ASSERT_TRUE(store->read_at("data/a", 4, part).ok());
  EXPECT_EQ(as_text(part), "456");
  EXPECT_EQ(request(0).headers.get("Range"), "bytes=4-6");
}

TEST_F(S3StoreTest, ReadsEncodedNamesAndFollowsEveryPage) {
  auto store = open();
  const std::string entry =
      "<Contents><Key>main%2F{}</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified><Size>3</Size></"
      "Contents>";
  transport.answer(200,
                   fmt::format("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                               "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                               "<NextContinuationToken>to+ken=</NextContinuationToken>{}</ListBucketResult>",
                               fmt::format(fmt::runtime(entry), "b")));
  transport.answer(200, fmt::format("<ListBucketResult><EncodingType>url</EncodingType>"
                                    "<IsTruncated>false</IsTruncated>{}</ListBucketResult>",
                                    fmt::format(fmt::runtime(entry), "a")));
  const auto listed = store->list("").value();
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].name, "a") << "in order, whatever the bucket's";
  EXPECT_EQ(to_iso8601(listed[0].put_at), "2026-11-22T10:00:00.000Z");
  EXPECT_EQ(transport.query(asked, "prefix"), "main/");
  EXPECT_EQ(transport.query(asked + 1, "continuation-token"), "to+ken=");
}

TEST_F(S3StoreTest, StopsAtAPageThatComesAgain) {
  auto store = open();
  for (int i = 0; i < 2; ++i) {
    transport.answer(200,
                     "<ListBucketResult><IsTruncated>true</IsTruncated>"
                     "<NextContinuationToken>t</NextContinuationToken></ListBucketResult>");
  }
  EXPECT_EQ(store->list("").error().code(), ErrorCode::internal);
}

TEST_F(S3StoreTest, OpensWithAKeyThatMayNotAskAboutVersionsAndLearnsOfThemFromARemoval) {
  transport.answer(403, fault("AccessDenied"));
  transport.answer(403, fault("AccessDenied"));
  auto store = S3Store::open(options, transport, clock, random).value();
  asked = transport.requests().size();
  transport.answer(204, "", {{"x-amz-delete-marker", "true"}});
  transport.answer(200,
                   "<ListVersionsResult><IsTruncated>false</IsTruncated>"
                   "<DeleteMarker><Key>main/data/a</Key><VersionId>2</VersionId></DeleteMarker>"
                   "<Version><Key>main/data/a</Key><VersionId>1</VersionId></Version>"
                   "<Version><Key>main/data/ab</Key><VersionId>3</VersionId></Version></ListVersionsResult>");
  transport.answer(204, "");
  transport.answer(204, "");
  ASSERT_TRUE(store->remove("data/a").ok());
  ASSERT_EQ(requests(), 4U);
  EXPECT_THAT(request(2).url, HasSubstr("main/data/a?versionId=1"));
  EXPECT_THAT(request(3).url, HasSubstr("main/data/a?versionId=2"));
}

class S3Sentence : public S3StoreTest {
 protected:
  Error opening_meets(int status, std::string_view body, const HttpHeaders& headers = {}) {
    for (int i = 0; i < options.bucket.retries.attempts; ++i) transport.answer(status, body, headers);
    return S3Store::open(options, transport, clock, random).error();
  }
};

TEST_F(S3Sentence, NamesTheRegionOfTheBucketWhenS3TellsIt) {
  const Error refused =
      opening_meets(301, fault("PermanentRedirect"), {{"x-amz-bucket-region", "eu-west-1"}});
  EXPECT_EQ(refused.code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.message(),
              HasSubstr("the bucket bucket is in eu-west-1, not in eu-central-1: give its --region"));
}

TEST_F(S3Sentence, BlamesTheClockOnlyWhenItCannotBeFollowed) {
  const Error refused = opening_meets(403, fault("RequestTimeTooSkewed"));
  EXPECT_EQ(refused.code(), ErrorCode::unauthenticated);
  EXPECT_THAT(refused.message(), HasSubstr("this machine's clock is wrong"));
}

TEST_F(S3StoreTest, FollowsTheServersClock) {
  auto store = open();
  transport.answer(403, fault("RequestTimeTooSkewed"), {{"Date", "Sun, 22 Nov 2026 14:30:00 GMT"}});
  transport.answer(200, "");
  EXPECT_TRUE(store->put("data/a", as_bytes("abc")).ok());
  EXPECT_EQ(request(1).headers.get("X-Amz-Date"), "20261122T143000Z");
}

TEST_F(S3StoreTest, NamesTheMissingPermission) {
  auto store = open();
  transport.answer(403, fault("AccessDenied"));
  const auto put = store->put("data/a", as_bytes("abc"));
  EXPECT_EQ(put.error().code(), ErrorCode::permission_denied);
  EXPECT_THAT(put.error().message(),
              HasSubstr("AKIDEXAMPLE may not call s3:PutObject in the bucket bucket: allow it"));
  EXPECT_THAT(put.error().message(), Not(HasSubstr("locked")));
}

TEST_F(S3StoreTest, SaysThatTheBucketIsFull) {
  auto store = open();
  transport.answer(507, fault("XMinioStorageFull"));
  const auto put = store->put("data/a", as_bytes("abc"));
  EXPECT_EQ(put.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(put.error().message(), HasSubstr("free space"));
}

}  // namespace
}  // namespace rekindle
