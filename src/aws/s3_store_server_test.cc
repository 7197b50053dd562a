// S3Store on a real S3 server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "aws/s3_server_for_tests.h"
#include "aws/s3_store.h"
#include "base/random.h"
#include "net/curl_transport.h"
#include "store/conformance_test.h"
#include "store/retrying_store.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

template <typename T>
testing::AssertionResult succeeds(const Result<T>& result) {
  if (result.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message();
}

// One process has one server; every test has a bucket of its own.
struct Bucket {
  explicit Bucket(bool object_lock = false) {
    EXPECT_TRUE(succeeds(S3Server::shared().make_bucket(name, object_lock)));
  }
  S3StoreOptions options() {
    S3StoreOptions options;
    options.bucket = S3Server::shared().bucket(name);
    options.prefix = "vaults/main";
    return options;
  }
  Result<std::unique_ptr<S3Store>> open(S3StoreOptions options) {
    return S3Store::open(std::move(options), transport, clock, random);
  }
  std::unique_ptr<S3Store> open() { return open(options()).value(); }
  std::unique_ptr<S3Client> client() {
    return S3Client::make(options().bucket, transport, clock, random).value();
  }

  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  const std::string name = "test-" + random.hex(8);
};

template <bool object_lock>
struct S3Fixture {
  static std::string why_skipped() {
    if (!S3Server::program().empty()) return "";
    return "NOT TESTED against an S3 server, which is not installed: call tools/peers/versitygw to get it";
  }
  S3Fixture() {
    if (!why_skipped().empty()) return;
    bucket.emplace(object_lock);
    opened = bucket->open();
  }
  ObjectStore& store() { return *opened; }
  std::optional<Bucket> bucket;
  std::unique_ptr<S3Store> opened;
};

INSTANTIATE_TYPED_TEST_SUITE_P(S3, ObjectStoreConformance, S3Fixture<false>);
INSTANTIATE_TYPED_TEST_SUITE_P(VersionedS3, ObjectStoreConformance, S3Fixture<true>);

class S3StoreOnServer : public testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_S3_SERVER(); }
  SeededRandom seeded{7};
};

TEST_F(S3StoreOnServer, PutsLargeObjectsInPartsAndLeavesNoUpload) {
  Bucket bucket;
  S3StoreOptions options = bucket.options();
  options.part_bytes = 5 * mib;
  const auto store = bucket.open(options).value();
  const Bytes content = seeded.bytes(17 * mib + 3);
  ASSERT_TRUE(succeeds(store->put("data/large", content)));
  EXPECT_EQ(store->get("data/large").value(), content);
  Bytes across(1000);
  ASSERT_TRUE(succeeds(store->read_at("data/large", 5 * mib - 500, across)));
  EXPECT_TRUE(std::equal(across.begin(), across.end(), content.begin() + 5 * mib - 500));
  EXPECT_EQ(store->put("data/large", content).error().code(), ErrorCode::already_exists);
  EXPECT_TRUE(bucket.client()->uploads("").value().empty()) << "the second one aborted its upload";
}

TEST_F(S3StoreOnServer, LetsExactlyOneOfSeveralLargePutsHaveAName) {
  Bucket bucket;
  S3StoreOptions options = bucket.options();
  options.part_bytes = 5 * mib;
  const auto store = bucket.open(options).value();
  std::atomic<int> wins = 0;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 3; ++i) {
      writers.emplace_back([&, i] {
        const auto put = store->put("data/one", Bytes(6 * mib, static_cast<std::byte>(i)));
        if (put.ok()) ++wins;
        EXPECT_TRUE(put.ok() || put.error().code() == ErrorCode::already_exists) << put.error().message();
      });
    }
  }
  EXPECT_EQ(wins, 1);
  const Bytes content = store->get("data/one").value();
  ASSERT_EQ(content.size(), 6 * mib);
  EXPECT_EQ(std::count(content.begin(), content.end(), content.front()),
            static_cast<std::ptrdiff_t>(6 * mib));
}

TEST_F(S3StoreOnServer, AbortsUploadsThatWereAbandonedButNotOthers) {
  Bucket bucket;
  const auto client = bucket.client();
  ASSERT_TRUE(client->start_upload({"vaults/main/data/a", "id", true, "", {}}).ok());
  ASSERT_TRUE(client->start_upload({"elsewhere/data/a", "id", true, "", {}}).ok());
  const auto store = bucket.open();
  EXPECT_EQ(client->uploads("").value().size(), 2U) << "young ones may still be at work";
  EXPECT_EQ(store->abort_abandoned_uploads(std::chrono::hours(-1)).value(), 1U);
  const auto left = client->uploads("").value();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].key, "elsewhere/data/a");
}

TEST_F(S3StoreOnServer, ListsMoreThanOnePage) {
  Bucket bucket;
  const auto store = bucket.open();
  for (int i = 0; i < 1005; ++i) ASSERT_TRUE(store->put(fmt::format("data/{:04}", i), as_bytes("x")).ok());
  const auto listed = store->list("data/").value();
  ASSERT_EQ(listed.size(), 1005U);
  EXPECT_EQ(listed.back().name, "data/1004");
}

TEST_F(S3StoreOnServer, DoesNotListWhatOthersKeepInTheBucket) {
  Bucket bucket;
  const auto client = bucket.client();
  ASSERT_TRUE(client->put({"vaults/main/READ ME.txt", "id", true, "", {}}, as_bytes("x")).ok());
  ASSERT_TRUE(client->put({"vaults/mainly/a", "id", true, "", {}}, as_bytes("x")).ok());
  const auto store = bucket.open();
  ASSERT_TRUE(store->put("a", as_bytes("x")).ok());
  EXPECT_EQ(names_and_sizes(store->list("").value()),
            (std::vector<std::pair<std::string, std::uint64_t>>{{"a", 1}}));
}

TEST_F(S3StoreOnServer, SaysThatTheSecretIsWrong) {
  Bucket bucket;
  S3StoreOptions options = bucket.options();
  options.bucket.credentials = {S3Server::credentials.access_key_id, "another"};
  const auto opened = bucket.open(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(opened.error().message(), HasSubstr("its secret is wrong"));
}

TEST_F(S3StoreOnServer, SaysThatTheKeyIsUnknown) {
  Bucket bucket;
  S3StoreOptions options = bucket.options();
  options.bucket.credentials = {"AKIDNOBODY", S3Server::credentials.secret_access_key};
  const auto opened = bucket.open(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(opened.error().message(), HasSubstr("does not know the access key AKIDNOBODY"));
}

TEST_F(S3StoreOnServer, SaysThatThereIsNoSuchBucket) {
  Bucket bucket;
  S3StoreOptions options = bucket.options();
  options.bucket.bucket = "nobodys-bucket";
  const auto opened = bucket.open(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::failed_precondition) << "not_found would read: no vault yet";
  EXPECT_THAT(opened.error().message(), HasSubstr("there is no bucket nobodys-bucket: make it"));
}

TEST_F(S3StoreOnServer, SaysThatTheBucketIsInAnotherRegion) {
  Bucket bucket;
  S3StoreOptions options = bucket.options();
  options.bucket.region = "us-east-1";
  const auto opened = bucket.open(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(opened.error().message(), HasSubstr("not in us-east-1: give its --region"));
}

TEST_F(S3StoreOnServer, GetsThroughWhenTheServerIsKilledInMidPutAndStartedAgain) {
  const auto server = S3Server::start().value();
  ASSERT_TRUE(succeeds(server->make_bucket("bucket")));
  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  S3StoreOptions options;
  options.bucket = server->bucket("bucket");
  options.bucket.retries.attempts = 1;
  options.part_bytes = 5 * mib;
  const auto store = S3Store::open(options, transport, clock, random).value();
  RetryingStore retrying(
      *store, RetryPolicy{.attempts = 1000, .longest_pause = std::chrono::milliseconds(200)}, clock, random);
  const Bytes large = seeded.bytes(40 * mib);
  std::atomic<bool> done = false;
  std::jthread writer([&] {
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(succeeds(retrying.put(fmt::format("data/large{}", i), large)));
      EXPECT_TRUE(succeeds(retrying.put(fmt::format("data/small{}", i), ByteView(large).first(3 * mib))));
    }
    done = true;
  });
  int kills = 0;
  for (; !done && kills < 5; ++kills) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    server->kill();
    ASSERT_TRUE(succeeds(server->start_again()));
    for (const ObjectInfo& object : retrying.list("data/").value()) {
      const bool is_large = object.name.starts_with("data/large");
      EXPECT_EQ(object.size_bytes, is_large ? large.size() : 3 * mib) << object.name << " is half-made";
    }
  }
  writer.join();
  EXPECT_GT(kills, 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(store->get(fmt::format("data/large{}", i)).value(), large);
    EXPECT_EQ(store->size(fmt::format("data/small{}", i)).value(), 3 * mib);
  }
}

class LockedS3Store : public S3StoreOnServer {
 protected:
  S3StoreOptions locked(int days) {
    S3StoreOptions options = bucket().options();
    options.lock.days = days;
    options.part_bytes = 5 * mib;
    return options;
  }
  Bucket& bucket() {
    if (!bucket_) bucket_.emplace(true);
    return *bucket_;
  }
  std::optional<Bucket> bucket_;
};

TEST_F(LockedS3Store, RefusesABucketWithoutObjectLock) {
  Bucket plain;
  S3StoreOptions options = plain.options();
  options.lock.days = 1;
  const auto opened = plain.open(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(opened.error().message(), HasSubstr("has no object lock, which --lock-days needs"));
}

TEST_F(LockedS3Store, RefusesToRemoveWhatIsLockedAndSaysUntilWhen) {
  const auto store = bucket().open(locked(30)).value();
  for (const std::size_t size : {std::size_t{10}, std::size_t{6 * mib}}) {
    const std::string name = fmt::format("data/{}", size);
    ASSERT_TRUE(succeeds(store->put(name, Bytes(size))));
    const auto removed = store->remove(name);
    ASSERT_FALSE(removed.ok());
    EXPECT_EQ(removed.error().code(), ErrorCode::permission_denied);
    const std::string until = to_iso8601(SystemClock().now() + std::chrono::days(30)).substr(0, 10);
    EXPECT_THAT(removed.error().message(), HasSubstr("is locked until " + until));
    EXPECT_EQ(store->get(name).value(), Bytes(size));
    EXPECT_EQ(store->list("data/").value().size(), size == 10 ? 1U : 2U) << "not hidden either";
  }
}

TEST_F(LockedS3Store, KeepsAnObjectLongerButNeverShorter) {
  const auto store = bucket().open(locked(1)).value();
  ASSERT_TRUE(succeeds(store->put("data/a", as_bytes("x"))));
  const Time later = SystemClock().now() + std::chrono::days(90);
  ASSERT_TRUE(succeeds(store->keep_until("data/a", later)));
  ASSERT_TRUE(succeeds(store->keep_until("data/a", later - std::chrono::days(80))));
  const auto locked_until = bucket().client()->head("vaults/main/data/a").value().locked_until;
  ASSERT_TRUE(locked_until.has_value());
  EXPECT_GT(*locked_until, later - std::chrono::seconds(2));
  EXPECT_EQ(store->keep_until("data/b", later).error().code(), ErrorCode::not_found);
}

TEST_F(LockedS3Store, BringsBackWhatAThiefHidAndLaysBareWhatHePutSomethingOver) {
  const auto store = bucket().open(locked(1)).value();
  for (const char* name : {"points/a", "points/b", "points/c"})
    ASSERT_TRUE(succeeds(store->put(name, as_bytes("ours"))));
  const auto thief = bucket().client();
  EXPECT_TRUE(thief->remove("vaults/main/points/a").value()) << "hidden, not removed";
  ASSERT_TRUE(succeeds(thief->put({"vaults/main/points/b", "", false, "", {}}, as_bytes("theirs"))));
  EXPECT_EQ(store->get("points/a").error().code(), ErrorCode::not_found);
  EXPECT_EQ(as_text(store->get("points/b").value()), "theirs");

  const auto restored = store->restore_hidden();
  ASSERT_TRUE(succeeds(restored));
  EXPECT_EQ(restored->shown_again, 1U);
  EXPECT_EQ(restored->laid_bare, 1U);
  EXPECT_EQ(store->list("points/").value().size(), 3U);
  for (const char* name : {"points/a", "points/b", "points/c"})
    EXPECT_EQ(as_text(store->get(name).value()), "ours") << name;
  EXPECT_EQ(store->restore_hidden()->shown_again, 0U);
}

}  // namespace
}  // namespace rekindle
