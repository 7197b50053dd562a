// A whole vault on a real S3 server: backed up, listed, read back, checked; and given back after a theft.
#include <gtest/gtest.h>

#include "aws/s3_server_for_tests.h"
#include "aws/s3_store.h"
#include "store/retrying_store.h"
#include "store/throttled_store.h"
#include "vault/vault_fixture.h"

namespace rekindle {
namespace {

class VaultOnS3 : public testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_S3_SERVER(); }

  std::unique_ptr<S3Store> open_store(int lock_days = 0) {
    S3StoreOptions options;
    options.bucket = S3Server::shared().bucket(bucket);
    options.prefix = "vaults/main";
    options.part_bytes = 5 * mib;
    options.lock.days = lock_days;
    options.lock.except = never_locked();
    return S3Store::open(options, transport, clock, random).value();
  }
  // A full and an incremental point.
  void back_up_twice(Vault& vault) {
    machine.disk("disk-1", 24 * mib).content = sample_bytes(seeded, 24 * mib);
    machine.disk("disk-2", 3 * mib).put(1 * mib, sample_bytes(seeded, 1 * mib));
    ASSERT_TRUE(succeeds(machine.back_up(vault, "full", "", {.threads = 2, .readers = 2})));
    machine.disk("disk-1").put(5 * mib, sample_bytes(seeded, 700 * kib));
    ASSERT_TRUE(succeeds(machine.back_up(vault, "incremental", "full", {.threads = 2, .readers = 2})));
  }
  void expect_whole(Vault& vault) {
    EXPECT_EQ(vault.list().value().size(), 2U);
    EXPECT_TRUE(succeeds(machine.compare(vault, "full")));
    EXPECT_TRUE(succeeds(machine.compare(vault, "incremental")));
    EXPECT_TRUE(vault.check(CheckLevel::data).value().clean());
  }

  CurlTransport transport;
  SystemClock clock;
  SystemRandom random;
  SeededRandom seeded{3};
  TestMachine machine{"vm-1"};
  const std::string bucket = "test-" + random.hex(8);
};

TEST_F(VaultOnS3, GivesBackEveryByteOfEveryPoint) {
  ASSERT_TRUE(succeeds(S3Server::shared().make_bucket(bucket)));
  {
    const auto s3 = open_store();
    ThrottledStore throttled(*s3, {gib, gib}, clock);
    RetryingStore store(throttled, RetryPolicy{}, clock, random);
    const auto vault = Vault::create(store, test_secret()).value();
    back_up_twice(*vault);
  }
  const auto store = open_store();
  const auto vault = Vault::open(*store, test_secret()).value();
  expect_whole(*vault);
}

TEST_F(VaultOnS3, OutlivesAThiefOfTheKeysThatTheStoreWasLockedAgainst) {
  ASSERT_TRUE(succeeds(S3Server::shared().make_bucket(bucket, true)));
  const auto store = open_store(7);
  {
    const auto vault = Vault::create(*store, test_secret()).value();
    back_up_twice(*vault);
  }
  const auto thief = S3Client::make(S3Server::shared().bucket(bucket), transport, clock, random).value();
  for (const S3Version& version : thief->versions("").value()) {
    EXPECT_EQ(thief->remove(version.key, version.version_id).error().code(), ErrorCode::permission_denied);
    EXPECT_TRUE(succeeds(thief->remove(version.key)));
  }
  EXPECT_EQ(Vault::open(*store, test_secret()).error().code(), ErrorCode::not_found) << "all is hidden";
  EXPECT_GT(store->restore_hidden().value().shown_again, 4U);
  const auto vault = Vault::open(*store, test_secret()).value();
  expect_whole(*vault);
}

TEST_F(VaultOnS3, LocksAnewWhatItsPointsNeed) {
  ASSERT_TRUE(succeeds(S3Server::shared().make_bucket(bucket, true)));
  const auto store = open_store(1);
  const auto vault = Vault::create(*store, test_secret()).value();
  back_up_twice(*vault);
  const Time until = clock.now() + std::chrono::days(60);
  EXPECT_GT(vault->keep_until(until).value().objects, 4U);
  const auto client = S3Client::make(S3Server::shared().bucket(bucket), transport, clock, random).value();
  for (const S3Object& object : client->list("").value()) {
    const bool is_index = object.key.find("/index/") != std::string::npos;
    EXPECT_EQ(*client->head(object.key).value().locked_until > until - std::chrono::minutes(1), !is_index)
        << object.key;
  }
}

}  // namespace
}  // namespace rekindle
